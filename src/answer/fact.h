/* fact.h - what in a text can be checked exactly: numbers, dates, names and quotations.
 *
 * The same rules read a sentence and the passages that are to support it, so what is missed on one
 * side is missed on the other. A number is its value: 1,000 is 1000 and "1.5 million" 1500000; with
 * a unit, in that unit's dimension, so that 300 seconds are 5 minutes. "1.500" may be read both
 * ways. "May 3, 2021", "3. Mai 2021" and "2021-05-03" are one date. A name is a word with a capital
 * inside a sentence, or one with capitals or digits inside it; in German, where every noun has a
 * capital, the latter only. Quotations stand between quotation marks or backticks.
 *
 * Memory:  facts point into the text by offsets; nothing is allocated.
 * Threads: any. English and German; numbers in digits in any language.
 */
#pragma once

#include "text/lang.h"

enum fact_kind { FACT_NUMBER, FACT_DATE, FACT_NAME, FACT_QUOTE };

enum fact_dimension {
    FACT_NO_UNIT,
    FACT_PERCENT,
    FACT_LENGTH, /* in metres, and so on: the number is `value` times what the unit is worth */
    FACT_MASS,
    FACT_TIME,
    FACT_DATA,
    FACT_FREQUENCY,
    FACT_POWER,
    FACT_CELSIUS,
    FACT_FAHRENHEIT,
    FACT_DOLLAR,
    FACT_EURO,
    FACT_POUND
};

struct fact {
    enum fact_kind kind;
    size_t start, end; /* text[start, end): a number with its unit; of a quotation what stands
                          between the marks */
    /* of a number */
    double value, other; /* other: read the other way (1.500), or the same */
    double worth;        /* of its unit in the dimension's own; 1 without one */
    enum fact_dimension dimension;
    /* of a date: 0 = not said; swaps: day and month may be meant the other way round */
    int year, month, day;
    bool swaps;
};

struct fact_iter {
    struct str text;
    enum lang lang;
    size_t at;
    size_t closes; /* where the mark stands that ends the quotation we are in */
};

struct fact_iter fact_begin(struct str text, enum lang lang);
bool fact_next(struct fact_iter *it, struct fact *out);

/* Does the number or date that was found in a passage say what the sentence says? */
bool fact_same_number(const struct fact *said, const struct fact *found);
bool fact_same_date(const struct fact *said, const struct fact *found);
