#include "text/stem.h"
#include "base/hash.h"
#include "base/mem.h"

#include <libstemmer.h>
#include <limits.h>
#include <pthread.h>

#define X(name, code, stemmer, print) stemmer,
static const char *const algorithms[LANG_COUNT] = {LANGS(X)};
#undef X

/* Stemming a word takes 150 ns; a text has few words that its thread has not met a moment ago. */
struct kept {
    uint64_t word; /* hash of it and the language; 0: none */
    uint8_t len;
    char stem[23];
};

enum { KEPT_BITS = 13 };

struct stemmers {
    struct sb_stemmer *of[LANG_COUNT]; /* made when first asked for */
    struct kept kept[1 << KEPT_BITS];  /* by `word`: the last one seen */
};

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_stemmers(void *arg)
{
    struct stemmers *s = arg;
    for (int l = 0; l < LANG_COUNT; l++)
        sb_stemmer_delete(s->of[l]);
    mem_free(s);
}

static void make_key(void)
{
    CHECK(pthread_key_create(&key, free_stemmers) == 0);
}

static struct stemmers *stemmers(void)
{
    static _Thread_local struct stemmers *mine;
    if (!mine) {
        pthread_once(&once, make_key);
        mine = mem_new(sizeof(*mine));
        pthread_setspecific(key, mine);
    }
    return mine;
}

static struct str stem(struct stemmers *mine, enum lang l, struct str word)
{
    if (!mine->of[l])
        mine->of[l] = sb_stemmer_new(algorithms[l], NULL); /* UTF-8 */
    struct sb_stemmer *s = mine->of[l];
    const sb_symbol *p = s ? sb_stemmer_stem(s, (const sb_symbol *)word.p, (int)word.len) : NULL;
    return p ? (struct str){(const char *)p, (size_t)sb_stemmer_length(s)} : word;
}

struct str stem_word(enum lang l, struct str word)
{
    if (!algorithms[l] || word.len >= INT_MAX)
        return word;
    struct stemmers *mine = stemmers();
    uint64_t hash = (hash64(word) ^ (uint64_t)l * UINT64_C(0x9e3779b97f4a7c15)) | 1;
    struct kept *k = &mine->kept[hash >> (64 - KEPT_BITS)];
    if (k->word == hash)
        return (struct str){k->stem, k->len};
    struct str out = stem(mine, l, word);
    if (out.len <= sizeof(k->stem)) {
        k->word = hash;
        k->len = (uint8_t)out.len;
        memcpy(k->stem, out.p, out.len);
    }
    return out;
}
