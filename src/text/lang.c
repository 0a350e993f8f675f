#include "text/lang.h"
#include "base/buf.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <libexttextcat/textcat.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#define X(name, code, stemmer, print) code,
static const char *const codes[LANG_COUNT] = {LANGS(X)};
#undef X
#define X(name, code, stemmer, print) print,
static const char *const prints[LANG_COUNT] = {LANGS(X)};
#undef X

enum { LOOK_AT = 2048 };

static struct lock lock = LOCK_INIT; /* the classifier works in its own memory */
static void *classifier;             /* under lock; NULL when there is no language data */

const char *lang_code(enum lang l)
{
    return codes[l];
}

enum lang lang_from_code(struct str code)
{
    size_t n = 0;
    while (n < code.len && code.p[n] != '-' && code.p[n] != '_')
        n++;
    for (int l = 0; l < LANG_COUNT; l++)
        if (str_ieq(str_head(code, n), str_from(codes[l])))
            return (enum lang)l;
    return LANG_OTHER;
}

/* The library wants a file that lists the fingerprints: one in memory, with our languages. */
static void load_classifier(void)
{
    int fd = memfd_create("languages", MFD_CLOEXEC);
    if (fd < 0)
        return;
    struct buf list;
    buf_init(&list, 4096);
    for (int l = 0; l < LANG_COUNT; l++)
        if (prints[l])
            buf_printf(&list, "%s.lm %s\n", prints[l], codes[l]);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (write(fd, list.p, list.len) == (ssize_t)list.len)
        classifier = special_textcat_Init(path, TEXTCAT_DATA "/");
    buf_fini(&list);
    close(fd);
}

/* By the first letter outside ASCII that belongs to one language of the list, else English. */
static enum lang by_script(struct str s)
{
    static const struct {
        uint32_t first, last;
        enum lang l;
    } scripts[] = {
        {0x370, 0x3ff, LANG_EL},   {0x400, 0x52f, LANG_RU},   {0x590, 0x5ff, LANG_HE},
        {0x600, 0x6ff, LANG_AR},   {0x900, 0x97f, LANG_HI},   {0xb80, 0xbff, LANG_TA},
        {0xe00, 0xe7f, LANG_TH},   {0x3040, 0x30ff, LANG_JA}, {0x1100, 0x11ff, LANG_KO},
        {0xac00, 0xd7ff, LANG_KO},
    };
    bool han = false, latin = false, foreign = false;
    for (size_t at = 0; at < s.len;) {
        uint32_t c = utf8_next(s, &at);
        for (size_t i = 0; i < COUNT(scripts); i++)
            if (c >= scripts[i].first && c <= scripts[i].last)
                return scripts[i].l;
        han = han || (c >= 0x3400 && c <= 0x9fff);
        latin = latin || (unsigned char)((c | 0x20) - 'a') < 26;
        foreign = foreign || c > 0x52f;
    }
    return han ? LANG_ZH : latin || !foreign ? LANG_EN : LANG_OTHER;
}

static bool mostly_capitals(struct str s)
{
    size_t capitals = 0, small = 0;
    for (size_t i = 0; i < s.len; i++) {
        capitals += s.p[i] >= 'A' && s.p[i] <= 'Z';
        small += s.p[i] >= 'a' && s.p[i] <= 'z';
    }
    return capitals > small;
}

/* The best candidate of "[de][nl]"; OTHER when there is none. */
static enum lang classify_locked(struct str s)
{
    static char folded[2 * LOOK_AT]; /* under lock */
    if (mostly_capitals(s))          /* the fingerprints are of normal text */
        s = (struct str){folded, unicode_fold(s, folded, sizeof(folded))};
    struct str answer = str_from(textcat_Classify(classifier, s.p, s.len));
    if (!str_starts(answer, STR("[")))
        return LANG_OTHER;
    return lang_from_code(str_span(answer.p + 1, answer.p + str_find_char(answer, ']')));
}

enum lang lang_unless(enum lang said, struct str text)
{
    return said != LANG_OTHER ? said : lang_detect(text);
}

enum lang lang_detect(struct str text)
{
    static bool loaded; /* under lock */
    struct str s = str_head(text, utf8_cut(text, LOOK_AT));
    if (s.len < LANG_MIN_LETTERS)
        return by_script(s);
    lock_take(&lock);
    if (!loaded)
        load_classifier();
    loaded = true;
    enum lang l = classifier ? classify_locked(s) : by_script(s);
    lock_drop(&lock);
    return l;
}
