/* What the configuration says of retrieval: levels, who ranks, who embeds. */
#include "gateway/config_part.h"

/* clang-format off */
#define AT(type, member) offsetof(struct type, member)

static const struct field retrieval_field[] = {
    {"passages", FIELD_COUNT, AT(config_retrieval, passages), "5", "How many passages ground an answer at most.", .least = 1, .most = 50},
    {"level", FIELD_COUNT, AT(config_retrieval, level), "3", "1: vectors alone; 2: vectors and keywords; 3: the best `candidates` of these, ranked again; 4: several searches for one question, joined and ranked again. A request may say another (`x-penstock-retrieval-level`).", .least = 1, .most = 4},
    {"candidates", FIELD_COUNT, AT(config_retrieval, candidates), "50", "Passages that are ranked again, from level 3 on.", .least = 1, .most = 1000},
    {"ranker", FIELD_TEXT, AT(config_retrieval, ranker), "auto", "Who ranks again: `built-in`; `model`: the one that `reranker` names; `judge`: the chat model that `assistant` names; `none`; `auto`: `model` when there is one, else `built-in`. A model that fails is done without."},
    {"reranker", FIELD_TEXT, AT(config_retrieval, reranker), .doc = "Name of a model that ranks: its provider speaks Cohere's, Jina's or text-embeddings-inference's protocol."},
    {"assistant", FIELD_TEXT, AT(config_retrieval, assistant), .doc = "Name of a chat model that takes questions apart and asks in other words at level 4, and that judges passages when `ranker` is `judge`. Without it level 4 does so by itself."},
    {"rerank_weights", FIELD_TEXT, AT(config_retrieval, rerank_weights), .doc = "File of weights for the built-in ranker, from `penstock train rerank`; without it those that come with it."},
    {"timeout", FIELD_DURATION, AT(config_retrieval, timeout_ms), "3s", "How long each of these models may take for one question.", .least = 10, .most = 600000},
    {"cache", FIELD_BYTES, AT(config_retrieval, cache_bytes), "32 MB", "Memory for results of questions that are asked again while nothing has changed; 0 keeps none.", .least = 0, .most = INT64_C(64) << 30},
    {"embedder", FIELD_TEXT, AT(config_retrieval, embedder), .doc = "Name of one of `embedders`, whose vectors are used in place of those of the embedder inside. It runs in the background; searches use it once it has done everything."},
    {"chunk_tokens", FIELD_COUNT, AT(config_retrieval, chunk_tokens), "512", "Size of a chunk at most.", .least = 16, .most = 8192},
    {"chunk_overlap", FIELD_COUNT, AT(config_retrieval, chunk_overlap), "50", "Tokens that neighbouring chunks share; at most half of `chunk_tokens`.", .least = 0, .most = 4096},
};
const struct fields config_retrieval_fields = {"retrieval", sizeof(struct config_retrieval), retrieval_field, COUNT(retrieval_field)};

static const struct field embedder_field[] = {
    {"name", FIELD_TEXT, AT(config_embedder, name), .doc = "What `embedder` refers to.", .required = true},
    {"provider", FIELD_TEXT, AT(config_embedder, provider), .doc = "Name of a provider that has embeddings.", .required = true},
    {"model", FIELD_TEXT, AT(config_embedder, upstream), .doc = "The provider's name for the model.", .required = true},
    {"dimensions", FIELD_COUNT, AT(config_embedder, dimensions), "0", "Length of the vectors, for models that can shorten them; 0 is the model's own.", .least = 0, .most = 4096},
    {"version", FIELD_TEXT, AT(config_embedder, version), "1", "Another text here embeds everything anew, for a model that has changed under its name."},
    {"query_prefix", FIELD_TEXT, AT(config_embedder, query_prefix), .doc = "What the model wants in front of questions, such as `query: `."},
    {"passage_prefix", FIELD_TEXT, AT(config_embedder, passage_prefix), .doc = "And in front of passages."},
    {"batch", FIELD_COUNT, AT(config_embedder, batch), "100", "Texts of one call.", .least = 1, .most = 2048},
    {"concurrency", FIELD_COUNT, AT(config_embedder, concurrency), "2", "Calls at the same time, in the background.", .least = 1, .most = 64},
    {"timeout", FIELD_DURATION, AT(config_embedder, timeout_ms), "2s", "How long a question may wait for its vector; behind that it is searched for by keywords and by the embedder inside.", .least = 10, .most = 600000},
};
const struct fields config_embedder_fields = {"an embedder", sizeof(struct config_embedder), embedder_field, COUNT(embedder_field)};

static const struct field collection_field[] = {
    {"name", FIELD_TEXT, AT(config_collection, name), .doc = "Its name.", .required = true},
    {"level", FIELD_COUNT, AT(config_collection, level), "0", "As in `retrieval`; 0 is what stands there.", .least = 0, .most = 4},
    {"candidates", FIELD_COUNT, AT(config_collection, candidates), "0", "As in `retrieval`; 0 is what stands there.", .least = 0, .most = 1000},
    {"ranker", FIELD_TEXT, AT(config_collection, ranker), .doc = "As in `retrieval`."},
    {"embedder", FIELD_TEXT, AT(config_collection, embedder), .doc = "As in `retrieval`; `none`: the one inside alone."},
};
const struct fields config_collection_fields = {"a collection", sizeof(struct config_collection), collection_field, COUNT(collection_field)};

/* clang-format on */

const struct config_collection *config_collection_find(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->n_collections; i++)
        if (str_eq(c->collection[i].name, name))
            return &c->collection[i];
    return NULL;
}

static const struct config_embedder *embedder_find(const struct config *c, struct str name)
{
    for (size_t i = 0; i < c->n_embedders; i++)
        if (str_eq(c->embedder[i].name, name))
            return &c->embedder[i];
    return NULL;
}

const struct config_embedder *config_embedder_of(const struct config *c, struct str collection)
{
    const struct config_collection *own = config_collection_find(c, collection);
    return embedder_find(c, own && own->embedder.len ? own->embedder : c->retrieval.embedder);
}

static bool read_ranker(struct str name, enum retrieve_ranker *out, struct err *e)
{
    for (int i = 0; i < RANKER_COUNT; i++)
        if (str_eq(name, str_from(retrieve_ranker_name((enum retrieve_ranker)i)))) {
            *out = (enum retrieve_ranker)i;
            return true;
        }
    return err_set(e, ERR_INVALID, "'ranker' must be auto, built-in, model, judge or none");
}

/* A model of the configuration that can do `op`; NULL in *out for "". */
static bool find_helper(const struct config *c, const char *field, struct str name, enum chat_op op,
                        const struct model **out, struct err *e)
{
    const struct config_model *m = config_model_find(c, name);
    if (name.len && (!m || !dispatch_can(&m->model, op)))
        return err_set(e, ERR_INVALID, "'%s' names '%.*s', which is no model that can do that",
                       field, STR_FMT(name));
    *out = name.len ? &m->model : NULL;
    return true;
}

static bool make_embedder(struct config *c, struct config_embedder *b, struct err *e)
{
    b->model = arena_struct(c->arena, struct config_model);
    if (embedder_find(c, b->name) != b)
        return err_set(e, ERR_INVALID,
                       "'name' is that of another one, too; give it one of its own");
    b->identity = arena_printf(c->arena, "%.*s/%.*s/%.*s", STR_FMT(b->provider),
                               STR_FMT(b->upstream), STR_FMT(b->version));
    if (str_find_char(b->version, '/') != STR_NPOS)
        return err_set(e, ERR_INVALID, "'version' must not have a slash in it");
    if (!config_model_make(c, b->model, b->name, b->provider, b->upstream, e))
        return false;
    return dispatch_can(&b->model->model, OP_EMBEDDING) ||
           err_set(e, ERR_INVALID, "the provider '%.*s' has no embeddings", STR_FMT(b->provider));
}

static bool check_embedder(const struct config *c, struct str name, struct err *e)
{
    return !name.len || str_eq(name, STR("none")) || embedder_find(c, name) ||
           err_set(e, ERR_INVALID, "'embedder' names '%.*s', which is none of 'embedders'",
                   STR_FMT(name));
}

static bool build_collections(struct config *c, const struct yaml *root, const char *file,
                              struct err *e)
{
    for (size_t i = 0; i < c->n_collections; i++) {
        struct config_collection *x = &c->collection[i];
        if ((x->ranker.len && !read_ranker(x->ranker, &x->ranks, e)) ||
            !check_embedder(c, x->embedder, e))
            return config_entry_failed(root, file, "collections", i, "collection", x->name, e);
        if (!x->ranker.len)
            x->ranks = c->retrieval.ranks;
    }
    return true;
}

static bool read_weights(struct config *c, struct config_retrieval *t, struct err *e)
{
    struct rerank_weights *w = arena_struct(c->arena, struct rerank_weights);
    if (!t->rerank_weights.len)
        return true;
    t->weights = w;
    return rerank_weights_read(w, t->rerank_weights.p, e);
}

bool config_retrieval_build(struct config *c, const struct yaml *root, const char *file,
                            struct err *e)
{
    struct config_retrieval *t = &c->retrieval;
    for (size_t i = 0; i < c->n_embedders; i++)
        if (!make_embedder(c, &c->embedder[i], e))
            return config_entry_failed(root, file, "embedders", i, "embedder", c->embedder[i].name,
                                       e);
    if (!read_ranker(t->ranker, &t->ranks, e) || !check_embedder(c, t->embedder, e) ||
        !read_weights(c, t, e) ||
        !find_helper(c, "reranker", t->reranker, OP_RERANK, &t->rerank, e) ||
        !find_helper(c, "assistant", t->assistant, OP_CHAT, &t->ask, e))
        return config_section_failed(root, file, "retrieval", e);
    if ((t->ranks == RANKER_MODEL && !t->rerank) || (t->ranks == RANKER_JUDGE && !t->ask))
        return config_wrong(root, file, "retrieval", e,
                            "'ranker' is %.*s, which needs '%s' to be set", STR_FMT(t->ranker),
                            t->ranks == RANKER_MODEL ? "reranker" : "assistant");
    return build_collections(c, root, file, e);
}
