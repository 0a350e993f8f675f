#include "text/stem.h"
#include "base/mem.h"

#include <libstemmer.h>
#include <limits.h>
#include <pthread.h>

#define X(name, code, stemmer, print) stemmer,
static const char *const algorithms[LANG_COUNT] = {LANGS(X)};
#undef X

struct stemmers {
    struct sb_stemmer *of[LANG_COUNT]; /* made when first asked for */
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

static struct sb_stemmer *stemmer(enum lang l)
{
    static _Thread_local struct stemmers *mine;
    if (!mine) {
        pthread_once(&once, make_key);
        mine = mem_new(sizeof(*mine));
        pthread_setspecific(key, mine);
    }
    if (!mine->of[l])
        mine->of[l] = sb_stemmer_new(algorithms[l], NULL); /* UTF-8 */
    return mine->of[l];
}

struct str stem_word(enum lang l, struct str word)
{
    struct sb_stemmer *s = algorithms[l] && word.len < INT_MAX ? stemmer(l) : NULL;
    const sb_symbol *p = s ? sb_stemmer_stem(s, (const sb_symbol *)word.p, (int)word.len) : NULL;
    return p ? (struct str){(const char *)p, (size_t)sb_stemmer_length(s)} : word;
}
