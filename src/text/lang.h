/* lang.h - which language a text is written in.
 *
 * Good from about a sentence on. Below LANG_MIN_LETTERS bytes, or when the language data of
 * libexttextcat is not installed, the script alone decides: Greek is Greek, kana is Japanese, Latin
 * letters are taken for English.
 *
 * Source:  Cavnar and Trenkle, "N-Gram-Based Text Categorization", 1994, by libexttextcat, over the
 *          languages of this list only: among 180 candidates short texts fall to rare relatives.
 * Threads: any (a lock inside; about 500 us per text). Only the first 2 KB are looked at.
 */
#pragma once

#include "base/str.h"

/* code, name of the Snowball stemmer or NULL, fingerprint or NULL. Snapshots store the number: add
 * at the end only. */
#define LANGS(X)                                                                                   \
    X(OTHER, "und", NULL, NULL)                                                                    \
    X(EN, "en", "english", "en")                                                                   \
    X(DE, "de", "german", "de")                                                                    \
    X(FR, "fr", "french", "fr")                                                                    \
    X(ES, "es", "spanish", "es")                                                                   \
    X(IT, "it", "italian", "it")                                                                   \
    X(PT, "pt", "portuguese", "pt")                                                                \
    X(NL, "nl", "dutch", "nl")                                                                     \
    X(SV, "sv", "swedish", "sv")                                                                   \
    X(DA, "da", "danish", "da")                                                                    \
    X(NO, "no", "norwegian", "nb")                                                                 \
    X(FI, "fi", "finnish", "fi")                                                                   \
    X(RU, "ru", "russian", "ru")                                                                   \
    X(HU, "hu", "hungarian", "hu")                                                                 \
    X(RO, "ro", "romanian", "ro")                                                                  \
    X(TR, "tr", "turkish", "tr")                                                                   \
    X(CA, "ca", "catalan", "ca")                                                                   \
    X(EL, "el", "greek", "el")                                                                     \
    X(AR, "ar", "arabic", "ar")                                                                    \
    X(HI, "hi", "hindi", "hi")                                                                     \
    X(ID, "id", "indonesian", "id")                                                                \
    X(GA, "ga", "irish", "ga")                                                                     \
    X(LT, "lt", "lithuanian", "lt")                                                                \
    X(EU, "eu", "basque", "eu")                                                                    \
    X(TA, "ta", "tamil", "ta")                                                                     \
    X(PL, "pl", NULL, "pl")                                                                        \
    X(CS, "cs", NULL, "cs")                                                                        \
    X(SK, "sk", NULL, "sk")                                                                        \
    X(UK, "uk", NULL, "uk")                                                                        \
    X(BG, "bg", NULL, "bg")                                                                        \
    X(HR, "hr", NULL, "hr")                                                                        \
    X(VI, "vi", NULL, "vi")                                                                        \
    X(FA, "fa", NULL, "fa")                                                                        \
    X(HE, "he", NULL, "he")                                                                        \
    X(TH, "th", NULL, "th")                                                                        \
    X(KO, "ko", NULL, "ko")                                                                        \
    X(JA, "ja", NULL, "ja")                                                                        \
    X(ZH, "zh", NULL, "zh-Hans")

#define X(name, ...) LANG_##name,
enum lang { LANGS(X) LANG_COUNT };
#undef X

enum { LANG_MIN_LETTERS = 24 };

enum lang lang_detect(struct str text);
/* `said`, or when that is LANG_OTHER what is detected: cheaper where a text's origin tells. */
enum lang lang_unless(enum lang said, struct str text);
const char *lang_code(enum lang l); /* ISO 639-1, "und" for LANG_OTHER */
/* "en", "EN", "en-US", "de_AT.UTF-8"; LANG_OTHER for what is not in the list. */
enum lang lang_from_code(struct str code);
