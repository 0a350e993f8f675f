#include "model/question.h"
#include "base/mem.h"

#include <stdlib.h>

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* Where `phrase` stands as whole words, ASCII without case. */
static size_t find_phrase(struct str s, struct str phrase)
{
    for (size_t at = 0; at + phrase.len <= s.len; at++) {
        bool begins = at == 0 || !is_word(s.p[at - 1]);
        bool ends = at + phrase.len == s.len || !is_word(s.p[at + phrase.len]);
        if (begins && ends && str_istarts(str_from_at(s, at), phrase))
            return at;
    }
    return STR_NPOS;
}

static bool has_any(struct str s, const char *const *phrase, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (find_phrase(s, str_from(phrase[i])) != STR_NPOS)
            return true;
    return false;
}

/* The first that is found decides: longer phrases stand before their parts. */
static const struct {
    const char *phrase;
    enum question_kind kind;
} askings[] = {
    {"how many", QUESTION_NUMBER},
    {"how much", QUESTION_NUMBER},
    {"how large", QUESTION_NUMBER},
    {"how big", QUESTION_NUMBER},
    {"how far", QUESTION_NUMBER},
    {"how old", QUESTION_NUMBER},
    {"how fast", QUESTION_NUMBER},
    {"how high", QUESTION_NUMBER},
    {"how long", QUESTION_NUMBER},
    {"how often", QUESTION_NUMBER},
    {"what percentage", QUESTION_NUMBER},
    {"what number", QUESTION_NUMBER},
    {"wie viele", QUESTION_NUMBER},
    {"wie viel", QUESTION_NUMBER},
    {"wieviel", QUESTION_NUMBER},
    {"wie lange", QUESTION_NUMBER},
    {"wie hoch", QUESTION_NUMBER},
    {"wie groß", QUESTION_NUMBER},
    {"wie alt", QUESTION_NUMBER},
    {"wie weit", QUESTION_NUMBER},
    {"what year", QUESTION_TIME},
    {"which year", QUESTION_TIME},
    {"what date", QUESTION_TIME},
    {"welchem jahr", QUESTION_TIME},
    {"when", QUESTION_TIME},
    {"wann", QUESTION_TIME},
    {"whose", QUESTION_PERSON},
    {"whom", QUESTION_PERSON},
    {"who", QUESTION_PERSON},
    {"wer", QUESTION_PERSON},
    {"wem", QUESTION_PERSON},
    {"wen", QUESTION_PERSON},
    {"where", QUESTION_PLACE},
    {"wo", QUESTION_PLACE},
    {"why", QUESTION_REASON},
    {"warum", QUESTION_REASON},
    {"weshalb", QUESTION_REASON},
    {"wieso", QUESTION_REASON},
    {"how", QUESTION_METHOD},
    {"wie", QUESTION_METHOD},
    {"what is", QUESTION_MEANING},
    {"what are", QUESTION_MEANING},
    {"what's", QUESTION_MEANING},
    {"was ist", QUESTION_MEANING},
    {"was sind", QUESTION_MEANING},
    {"meaning of", QUESTION_MEANING},
};

enum question_kind question_kind(struct str question)
{
    for (size_t i = 0; i < COUNT(askings); i++)
        if (find_phrase(question, str_from(askings[i].phrase)) != STR_NPOS)
            return askings[i].kind;
    return QUESTION_OTHER;
}

bool question_wants_fact(enum question_kind kind)
{
    static const bool fact[] = {
#define X(name, is_fact) is_fact,
        QUESTION_KINDS(X)
#undef X
    };
    return fact[kind];
}

static const char *const number_words[] = {
    "one",   "two",   "three",  "four",   "five",    "six",      "seven",   "eight",
    "nine",  "ten",   "zero",   "twelve", "hundred", "thousand", "million", "billion",
    "dozen", "half",  "third",  "twice",  "eins",    "zwei",     "drei",    "vier",
    "fünf",  "sechs", "sieben", "acht",   "neun",    "zehn",
};

/* A number that the question does not name. */
static bool has_number(struct str question, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i]))
            continue;
        size_t from = i;
        while (i < s.len && is_digit(s.p[i]))
            i++;
        if (str_find(question, str_span(s.p + from, s.p + i)) == STR_NPOS)
            return true;
    }
    return has_any(s, number_words, COUNT(number_words));
}

/* A capitalised word, not the first, that the question does not name. */
static bool has_name(struct str question, struct str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (!is_upper(s.p[i]) || is_word(s.p[i - 1]))
            continue;
        size_t from = i;
        while (i < s.len && is_word(s.p[i]))
            i++;
        if (find_phrase(question, str_span(s.p + from, s.p + i)) == STR_NPOS)
            return true;
    }
    return false;
}

/* "in Paris", "at the Rhine". */
static bool has_place(struct str question, struct str s)
{
    static const char *const before[] = {"in", "at", "near", "from", "on",
                                         "to", "im", "am",   "bei",  "aus"};
    for (size_t i = 0; i < COUNT(before); i++) {
        struct str rest = s, word = str_from(before[i]);
        for (size_t at; (at = find_phrase(rest, word)) != STR_NPOS;) {
            rest = str_from_at(rest, at + word.len);
            struct str next = str_trim(str_head(rest, 48));
            if (str_istarts(next, STR("the ")))
                next = str_from_at(next, 4);
            if (next.len > 0 && is_upper(next.p[0]) && has_name(question, str_head(rest, 48)))
                return true;
        }
    }
    return false;
}

bool question_fits(enum question_kind kind, struct str question, struct str sentence)
{
    static const char *const reasons[] = {
        "because",     "since", "due to",  "so that", "in order to", "therefore", "reason",
        "as a result", "so",    "cause",   "caused",  "to avoid",    "weil",      "da",
        "damit",       "denn",  "deshalb", "daher",   "aufgrund",    "grund"};
    static const char *const methods[] = {"use",   "run", "set",   "call", "with",
                                          "using", "by",  "add",   "send", "through",
                                          "via",   "mit", "durch", "indem"};
    static const char *const meanings[] = {"is",   "are",       "means",  "was",
                                           "were", "refers to", "called", "ist",
                                           "sind", "bedeutet",  "war",    "heißt"};
    switch (kind) {
    case QUESTION_NUMBER:
    case QUESTION_TIME: return has_number(question, sentence);
    case QUESTION_PERSON: return has_name(question, sentence);
    case QUESTION_PLACE: return has_place(question, sentence);
    case QUESTION_REASON: return has_any(sentence, reasons, COUNT(reasons));
    case QUESTION_METHOD: return has_any(sentence, methods, COUNT(methods));
    case QUESTION_MEANING: return has_any(str_head(sentence, 64), meanings, COUNT(meanings));
    case QUESTION_OTHER: break;
    }
    return false;
}

/* Sorted by byte. */
static const char *const asking_words[] = {
    "able",     "about",      "across",     "actually",  "after",       "against",  "all",
    "also",     "am",         "among",      "an",        "and",         "answer",   "any",
    "anzahl",   "are",        "auf",        "available", "because",     "been",     "before",
    "beim",     "being",      "beschreibe", "bitte",     "both",        "can",      "could",
    "define",   "definition", "describe",   "did",       "do",          "document", "documents",
    "does",     "doing",      "each",       "erkläre",   "even",        "ever",     "every",
    "exactly",  "example",    "explain",    "find",      "from",        "gab",      "geben",
    "get",      "gibt",       "give",       "haben",     "had",         "happen",   "happens",
    "has",      "hast",       "hat",        "hatte",     "hatten",      "have",     "he",
    "heißen",   "heißt",      "her",        "his",       "how",         "i",        "i'd",
    "i'm",      "if",         "ihr",        "ihre",      "ihren",       "it",       "its",
    "just",     "kann",       "kind",       "know",      "konnte",      "können",   "laut",
    "let's",    "like",       "list",       "long",      "machen",      "macht",    "man",
    "many",     "may",        "me",         "mean",      "meaning",     "means",    "mehr",
    "might",    "much",       "must",       "my",        "name",        "need",     "nenne",
    "of",       "often",      "one",        "only",      "our",         "own",      "please",
    "possible", "question",   "sagen",      "sagt",      "same",        "say",      "sein",
    "seine",    "seinen",     "seit",       "shall",     "she",         "should",   "show",
    "since",    "so",         "some",       "sort",      "still",       "support",  "supported",
    "supports", "tell",       "than",       "that",      "them",        "then",     "there",
    "there's",  "these",      "they",       "thing",     "things",      "this",     "those",
    "too",      "toward",     "towards",    "type",      "unterstützt", "until",    "upon",
    "us",       "use",        "used",       "very",      "viel",        "viele",    "wann",
    "want",     "warum",      "was",        "way",       "we",          "welche",   "welchem",
    "welchen",  "welcher",    "welches",    "well",      "wer",         "werden",   "were",
    "what",     "what's",     "when",       "where",     "whether",     "which",    "while",
    "who",      "whom",       "whose",      "why",       "will",        "wird",     "within",
    "wo",       "would",      "wurde",      "wurden",    "you",         "your",     "zeige",
};

static int by_text(const void *key, const void *entry)
{
    return str_cmp(*(const struct str *)key, str_from(*(const char *const *)entry));
}

bool question_only_asks(struct str word)
{
    char small[16];
    if (word.len > sizeof(small))
        return false;
    for (size_t i = 0; i < word.len; i++)
        small[i] = (char)(is_upper(word.p[i]) ? word.p[i] | 0x20 : word.p[i]);
    struct str key = {small, word.len};
    return bsearch(&key, asking_words, COUNT(asking_words), sizeof(asking_words[0]), by_text);
}
