#include "answer/fact.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "text/terms.h"
#include "text/unicode.h"

#include <math.h>

enum { WORD_MOST = 32, QUOTE_LEAST = 12, YEAR_LEAST = 1000, YEAR_MOST = 2999 };

/* ---- Characters ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static char at_or(struct str s, size_t at)
{
    return at < s.len ? s.p[at] : 0;
}

static size_t digits(struct str s, size_t at)
{
    size_t n = 0;
    while (is_digit(at_or(s, at + n)))
        n++;
    return n;
}

static int number_at(struct str s, size_t at, size_t n)
{
    int value = 0;
    for (size_t i = 0; i < n && i < 9; i++)
        value = value * 10 + (s.p[at + i] - '0');
    return value;
}

/* Behind blanks, no-break spaces among them. */
static size_t skip_blanks(struct str s, size_t at)
{
    for (;;) {
        struct str rest = str_from_at(s, at);
        if (at_or(s, at) == ' ' || at_or(s, at) == '\t' || at_or(s, at) == '\n')
            at++;
        else if (str_starts(rest, STR("\xc2\xa0")))
            at += 2;
        else if (str_starts(rest, STR("\xe2\x80\xaf")) || str_starts(rest, STR("\xe2\x80\x89")))
            at += 3;
        else
            return at;
    }
}

/* A letter, digit or mark of any script at `at`: where it ends, else `at`. */
static size_t word_char(struct str s, size_t at)
{
    size_t end = at;
    if (at >= s.len)
        return at;
    enum unicode_kind kind = unicode_kind(utf8_next(s, &end));
    return kind == UNICODE_WORD || kind == UNICODE_MARK ? end : at;
}

/* A word with - and _ inside: its end. */
static size_t word_end(struct str s, size_t at)
{
    for (size_t end; (end = word_char(s, at)) > at; at = end)
        if ((at_or(s, end) == '-' || at_or(s, end) == '_') && word_char(s, end + 1) > end + 1)
            end++;
    return at;
}

static struct str letters(struct str s, size_t at)
{
    size_t end = at, next;
    while ((next = word_char(s, end)) > end && !is_digit(s.p[end]))
        end = next;
    return str_span(s.p + at, s.p + end);
}

/* ---- Tables ---- */

static const struct {
    struct str name;
    int month;
} months[] = {
    {STR_INIT("january"), 1},   {STR_INIT("jan"), 1},       {STR_INIT("januar"), 1},
    {STR_INIT("jänner"), 1},    {STR_INIT("february"), 2},  {STR_INIT("feb"), 2},
    {STR_INIT("februar"), 2},   {STR_INIT("march"), 3},     {STR_INIT("mar"), 3},
    {STR_INIT("märz"), 3},      {STR_INIT("april"), 4},     {STR_INIT("apr"), 4},
    {STR_INIT("may"), 5},       {STR_INIT("mai"), 5},       {STR_INIT("june"), 6},
    {STR_INIT("jun"), 6},       {STR_INIT("juni"), 6},      {STR_INIT("july"), 7},
    {STR_INIT("jul"), 7},       {STR_INIT("juli"), 7},      {STR_INIT("august"), 8},
    {STR_INIT("aug"), 8},       {STR_INIT("september"), 9}, {STR_INIT("sept"), 9},
    {STR_INIT("sep"), 9},       {STR_INIT("october"), 10},  {STR_INIT("oct"), 10},
    {STR_INIT("oktober"), 10},  {STR_INIT("okt"), 10},      {STR_INIT("november"), 11},
    {STR_INIT("nov"), 11},      {STR_INIT("december"), 12}, {STR_INIT("dec"), 12},
    {STR_INIT("dezember"), 12}, {STR_INIT("dez"), 12},
};

static const struct {
    struct str name;
    double value;
} number_words[] = {
    {STR_INIT("two"), 2},        {STR_INIT("three"), 3},     {STR_INIT("four"), 4},
    {STR_INIT("five"), 5},       {STR_INIT("six"), 6},       {STR_INIT("seven"), 7},
    {STR_INIT("eight"), 8},      {STR_INIT("nine"), 9},      {STR_INIT("ten"), 10},
    {STR_INIT("eleven"), 11},    {STR_INIT("twelve"), 12},   {STR_INIT("thirteen"), 13},
    {STR_INIT("fourteen"), 14},  {STR_INIT("fifteen"), 15},  {STR_INIT("sixteen"), 16},
    {STR_INIT("seventeen"), 17}, {STR_INIT("eighteen"), 18}, {STR_INIT("nineteen"), 19},
    {STR_INIT("twenty"), 20},    {STR_INIT("thirty"), 30},   {STR_INIT("forty"), 40},
    {STR_INIT("fifty"), 50},     {STR_INIT("sixty"), 60},    {STR_INIT("seventy"), 70},
    {STR_INIT("eighty"), 80},    {STR_INIT("ninety"), 90},   {STR_INIT("zwei"), 2},
    {STR_INIT("drei"), 3},       {STR_INIT("vier"), 4},      {STR_INIT("fünf"), 5},
    {STR_INIT("sechs"), 6},      {STR_INIT("sieben"), 7},    {STR_INIT("acht"), 8},
    {STR_INIT("neun"), 9},       {STR_INIT("zehn"), 10},     {STR_INIT("elf"), 11},
    {STR_INIT("zwölf"), 12},     {STR_INIT("zwanzig"), 20},  {STR_INIT("dreißig"), 30},
    {STR_INIT("hundred"), 100},  {STR_INIT("hundert"), 100},
};

static const struct {
    struct str name;
    double factor;
} scales[] = {
    {STR_INIT("hundred"), 1e2},   {STR_INIT("hundert"), 1e2},    {STR_INIT("thousand"), 1e3},
    {STR_INIT("tausend"), 1e3},   {STR_INIT("million"), 1e6},    {STR_INIT("millions"), 1e6},
    {STR_INIT("millionen"), 1e6}, {STR_INIT("mio"), 1e6},        {STR_INIT("billion"), 1e9},
    {STR_INIT("milliarde"), 1e9}, {STR_INIT("milliarden"), 1e9}, {STR_INIT("mrd"), 1e9},
    {STR_INIT("trillion"), 1e12},
};

/* Symbols are compared with case where that matters ("MB"); a bare m or s may be anything. */
static const struct {
    struct str name;
    bool exact;
    enum fact_dimension dimension;
    double worth;
} units[] = {
    {STR_INIT("%"), true, FACT_PERCENT, 1},
    {STR_INIT("percent"), false, FACT_PERCENT, 1},
    {STR_INIT("prozent"), false, FACT_PERCENT, 1},
    {STR_INIT("mm"), true, FACT_LENGTH, 1e-3},
    {STR_INIT("cm"), true, FACT_LENGTH, 1e-2},
    {STR_INIT("km"), true, FACT_LENGTH, 1e3},
    {STR_INIT("meter"), false, FACT_LENGTH, 1},
    {STR_INIT("meters"), false, FACT_LENGTH, 1},
    {STR_INIT("metre"), false, FACT_LENGTH, 1},
    {STR_INIT("metres"), false, FACT_LENGTH, 1},
    {STR_INIT("centimeters"), false, FACT_LENGTH, 1e-2},
    {STR_INIT("centimetres"), false, FACT_LENGTH, 1e-2},
    {STR_INIT("zentimeter"), false, FACT_LENGTH, 1e-2},
    {STR_INIT("kilometer"), false, FACT_LENGTH, 1e3},
    {STR_INIT("kilometers"), false, FACT_LENGTH, 1e3},
    {STR_INIT("kilometre"), false, FACT_LENGTH, 1e3},
    {STR_INIT("kilometres"), false, FACT_LENGTH, 1e3},
    {STR_INIT("mile"), false, FACT_LENGTH, 1609.344},
    {STR_INIT("miles"), false, FACT_LENGTH, 1609.344},
    {STR_INIT("feet"), false, FACT_LENGTH, 0.3048},
    {STR_INIT("foot"), false, FACT_LENGTH, 0.3048},
    {STR_INIT("inch"), false, FACT_LENGTH, 0.0254},
    {STR_INIT("inches"), false, FACT_LENGTH, 0.0254},
    {STR_INIT("mg"), true, FACT_MASS, 1e-3},
    {STR_INIT("g"), true, FACT_MASS, 1},
    {STR_INIT("kg"), true, FACT_MASS, 1e3},
    {STR_INIT("gram"), false, FACT_MASS, 1},
    {STR_INIT("grams"), false, FACT_MASS, 1},
    {STR_INIT("gramm"), false, FACT_MASS, 1},
    {STR_INIT("kilogram"), false, FACT_MASS, 1e3},
    {STR_INIT("kilograms"), false, FACT_MASS, 1e3},
    {STR_INIT("kilogramm"), false, FACT_MASS, 1e3},
    {STR_INIT("ms"), true, FACT_TIME, 1e-3},
    {STR_INIT("millisecond"), false, FACT_TIME, 1e-3},
    {STR_INIT("milliseconds"), false, FACT_TIME, 1e-3},
    {STR_INIT("sec"), false, FACT_TIME, 1},
    {STR_INIT("second"), false, FACT_TIME, 1},
    {STR_INIT("seconds"), false, FACT_TIME, 1},
    {STR_INIT("sekunde"), false, FACT_TIME, 1},
    {STR_INIT("sekunden"), false, FACT_TIME, 1},
    {STR_INIT("min"), false, FACT_TIME, 60},
    {STR_INIT("minute"), false, FACT_TIME, 60},
    {STR_INIT("minutes"), false, FACT_TIME, 60},
    {STR_INIT("minuten"), false, FACT_TIME, 60},
    {STR_INIT("h"), true, FACT_TIME, 3600},
    {STR_INIT("hour"), false, FACT_TIME, 3600},
    {STR_INIT("hours"), false, FACT_TIME, 3600},
    {STR_INIT("stunde"), false, FACT_TIME, 3600},
    {STR_INIT("stunden"), false, FACT_TIME, 3600},
    {STR_INIT("day"), false, FACT_TIME, 86400},
    {STR_INIT("days"), false, FACT_TIME, 86400},
    {STR_INIT("tag"), false, FACT_TIME, 86400},
    {STR_INIT("tage"), false, FACT_TIME, 86400},
    {STR_INIT("tagen"), false, FACT_TIME, 86400},
    {STR_INIT("week"), false, FACT_TIME, 604800},
    {STR_INIT("weeks"), false, FACT_TIME, 604800},
    {STR_INIT("woche"), false, FACT_TIME, 604800},
    {STR_INIT("wochen"), false, FACT_TIME, 604800},
    {STR_INIT("month"), false, FACT_TIME, 2629746},
    {STR_INIT("months"), false, FACT_TIME, 2629746},
    {STR_INIT("monate"), false, FACT_TIME, 2629746},
    {STR_INIT("monaten"), false, FACT_TIME, 2629746},
    {STR_INIT("year"), false, FACT_TIME, 31556952},
    {STR_INIT("years"), false, FACT_TIME, 31556952},
    {STR_INIT("jahr"), false, FACT_TIME, 31556952},
    {STR_INIT("jahre"), false, FACT_TIME, 31556952},
    {STR_INIT("jahren"), false, FACT_TIME, 31556952},
    {STR_INIT("byte"), false, FACT_DATA, 1},
    {STR_INIT("bytes"), false, FACT_DATA, 1},
    {STR_INIT("KB"), false, FACT_DATA, 1e3},
    {STR_INIT("MB"), true, FACT_DATA, 1e6},
    {STR_INIT("GB"), true, FACT_DATA, 1e9},
    {STR_INIT("TB"), true, FACT_DATA, 1e12},
    {STR_INIT("megabytes"), false, FACT_DATA, 1e6},
    {STR_INIT("gigabytes"), false, FACT_DATA, 1e9},
    {STR_INIT("hz"), false, FACT_FREQUENCY, 1},
    {STR_INIT("khz"), false, FACT_FREQUENCY, 1e3},
    {STR_INIT("mhz"), false, FACT_FREQUENCY, 1e6},
    {STR_INIT("ghz"), false, FACT_FREQUENCY, 1e9},
    {STR_INIT("W"), true, FACT_POWER, 1},
    {STR_INIT("watt"), false, FACT_POWER, 1},
    {STR_INIT("watts"), false, FACT_POWER, 1},
    {STR_INIT("kW"), true, FACT_POWER, 1e3},
    {STR_INIT("kilowatt"), false, FACT_POWER, 1e3},
    {STR_INIT("kilowatts"), false, FACT_POWER, 1e3},
    {STR_INIT("MW"), true, FACT_POWER, 1e6},
    {STR_INIT("°C"), true, FACT_CELSIUS, 1},
    {STR_INIT("°F"), true, FACT_FAHRENHEIT, 1},
    {STR_INIT("$"), true, FACT_DOLLAR, 1},
    {STR_INIT("dollar"), false, FACT_DOLLAR, 1},
    {STR_INIT("dollars"), false, FACT_DOLLAR, 1},
    {STR_INIT("usd"), false, FACT_DOLLAR, 1},
    {STR_INIT("€"), true, FACT_EURO, 1},
    {STR_INIT("euro"), false, FACT_EURO, 1},
    {STR_INIT("euros"), false, FACT_EURO, 1},
    {STR_INIT("eur"), false, FACT_EURO, 1},
    {STR_INIT("£"), true, FACT_POUND, 1},
};

/* ---- Numbers ---- */

/* Digits with separators inside: "1,000", "3.5", "1.234.567,8". */
struct spelled {
    size_t end;
    size_t marks, last; /* separators; where the last one is */
    bool mixed, threes; /* both kinds; every group behind one has three digits */
};

static struct spelled spell(struct str s, size_t at)
{
    struct spelled n = {.end = at + digits(s, at), .threes = true};
    bool short_front = n.end - at <= 3 && s.p[at] != '0';
    for (size_t more;
         (at_or(s, n.end) == '.' || at_or(s, n.end) == ',') && (more = digits(s, n.end + 1)) > 0;
         n.end += 1 + more) {
        n.mixed = n.mixed || (n.marks > 0 && s.p[n.last] != s.p[n.end]);
        n.last = n.end;
        n.marks++;
        n.threes = n.threes && more == 3 && short_front;
    }
    return n;
}

/* The digits as a number whose decimals begin behind `point`; `end`: it has none. */
static double value_of(struct str s, size_t at, size_t end, size_t point)
{
    double value = 0, unit = 1;
    for (size_t i = at; i < end; i++) {
        if (!is_digit(s.p[i]))
            continue;
        value = value * 10 + (s.p[i] - '0');
        if (i > point)
            unit *= 10;
    }
    return value / unit;
}

static void scale(struct str s, size_t *end, struct fact *f)
{
    for (;;) {
        struct str word = letters(s, skip_blanks(s, *end));
        size_t i = 0;
        while (i < COUNT(scales) && !str_ieq(word, scales[i].name))
            i++;
        if (i == COUNT(scales))
            return;
        f->value *= scales[i].factor;
        f->other *= scales[i].factor;
        *end = (size_t)(word.p - s.p) + word.len;
    }
}

static bool take_unit(struct str word, struct fact *f)
{
    for (size_t i = 0; i < COUNT(units); i++)
        if (units[i].exact ? str_eq(word, units[i].name) : str_ieq(word, units[i].name)) {
            f->dimension = units[i].dimension;
            f->worth = units[i].worth;
            return true;
        }
    return false;
}

/* The unit behind a number, which becomes part of it, or the sign of a currency in front. */
static void find_unit(struct str s, struct fact *f)
{
    static const struct str signs[] = {STR_INIT("%"), STR_INIT("$"),  STR_INIT("€"),
                                       STR_INIT("£"), STR_INIT("°C"), STR_INIT("°F")};
    size_t at = skip_blanks(s, f->end);
    struct str before = str_trim(str_head(s, f->start));
    for (size_t i = 0; i < COUNT(signs); i++) {
        bool behind = str_starts(str_from_at(s, at), signs[i]);
        if (!behind && !str_ends(before, signs[i]))
            continue;
        take_unit(signs[i], f);
        f->end = behind ? at + signs[i].len : f->end;
        return;
    }
    at += at_or(s, at) == '-'; /* "5-minute" */
    struct str word = letters(s, at);
    if (take_unit(word, f))
        f->end = at + word.len;
}

/* A number, or a version or address (1.2.3), which is what it is to the letter. */
static void read_number(struct str s, size_t at, struct fact *f)
{
    struct spelled n = spell(s, at);
    *f = (struct fact){.kind = FACT_NUMBER, .start = at, .end = n.end, .worth = 1};
    if (n.marks > 1 && !n.mixed && !n.threes) {
        f->kind = FACT_QUOTE;
        return;
    }
    bool grouped = n.threes && n.marks > 0 && !n.mixed;
    f->value = value_of(s, at, n.end, grouped || !n.marks ? n.end : n.last);
    f->other = n.marks == 1 && grouped ? value_of(s, at, n.end, n.last) : f->value;
    bool minus =
        at > 0 && s.p[at - 1] == '-' && (at == 1 || s.p[at - 2] == ' ' || s.p[at - 2] == '(');
    if (minus) {
        f->value = -f->value;
        f->other = -f->other;
    }
    scale(s, &f->end, f);
    find_unit(s, f);
}

static double word_value(struct str word)
{
    for (size_t i = 0; i < COUNT(number_words); i++)
        if (str_ieq(word, number_words[i].name))
            return number_words[i].value;
    return 0;
}

/* "twelve", "twenty-five", "three million". */
static bool read_number_word(struct str s, size_t at, struct fact *f)
{
    struct str word = letters(s, at);
    double value = word_value(word);
    size_t end = at + word.len;
    if (value == 0)
        return false;
    if (value >= 20 && value < 100 && at_or(s, end) == '-') {
        struct str ones = letters(s, end + 1);
        double more = word_value(ones);
        if (more > 0 && more < 10) {
            value += more;
            end += 1 + ones.len;
        }
    }
    *f = (struct fact){FACT_NUMBER, at, end, value, value, 1, FACT_NO_UNIT, 0, 0, 0, false};
    scale(s, &f->end, f);
    find_unit(s, f);
    return true;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

bool fact_same_number(const struct fact *said, const struct fact *found)
{
    bool both = said->dimension != FACT_NO_UNIT && found->dimension != FACT_NO_UNIT;
    double a = both ? said->worth : 1, b = both ? found->worth : 1;
    if (both && said->dimension != found->dimension)
        return false;
    return near(said->value * a, found->value * b) || near(said->other * a, found->value * b) ||
           near(said->value * a, found->other * b) || near(said->other * a, found->other * b);
}

/* ---- Dates ---- */

static int month_of(struct str word)
{
    for (size_t i = 0; i < COUNT(months); i++)
        if (str_ieq(word, months[i].name))
            return months[i].month;
    return 0;
}

static bool is_year(struct str s, size_t at)
{
    return digits(s, at) == 4 && number_at(s, at, 4) >= YEAR_LEAST &&
           number_at(s, at, 4) <= YEAR_MOST;
}

static bool date(struct fact *f, size_t start, size_t end, int year, int month, int day)
{
    *f = (struct fact){
        .kind = FACT_DATE, .start = start, .end = end, .year = year, .month = month, .day = day};
    return month <= 12 && day <= 31;
}

/* 2021-05-03, 3.5.2021, 03/05/2021 (which may be March 5th). */
static bool read_figures(struct str s, size_t at, struct fact *f)
{
    size_t a = digits(s, at), b, c;
    char mark = at_or(s, at + a);
    if (a == 0 || (mark != '-' && mark != '.' && mark != '/'))
        return false;
    size_t second = at + a + 1;
    b = digits(s, second);
    if (b == 0 || b > 2 || at_or(s, second + b) != mark)
        return false;
    size_t third = second + b + 1;
    c = digits(s, third);
    int x = number_at(s, at, a), y = number_at(s, second, b), z = number_at(s, third, c);
    if (a == 4 && (c == 1 || c == 2))
        return y > 0 && z > 0 && date(f, at, third + c, x, y, z);
    if (a > 2 || c != 4 || x == 0 || y == 0)
        return false;
    bool swapped = mark == '/' && y > 12;
    f->swaps = false;
    if (!date(f, at, third + c, z, swapped ? x : y, swapped ? y : x))
        return false;
    f->swaps = mark == '/' && x <= 12 && y <= 12;
    return true;
}

/* Behind "st", "th", a dot, "of". */
static size_t skip_ordinal(struct str s, size_t at)
{
    static const struct str endings[] = {STR_INIT("st"), STR_INIT("nd"), STR_INIT("rd"),
                                         STR_INIT("th"), STR_INIT(".")};
    for (size_t i = 0; i < COUNT(endings); i++)
        if (str_istarts(str_from_at(s, at), endings[i])) {
            at += endings[i].len;
            break;
        }
    at = skip_blanks(s, at);
    return str_istarts(str_from_at(s, at), STR("of ")) ? skip_blanks(s, at + 3) : at;
}

/* The year behind a day and month: its end, or `at` when there is none. */
static size_t take_year(struct str s, size_t at, int *year)
{
    size_t from = skip_blanks(s, at);
    if (at_or(s, from) == '.')
        from = skip_blanks(s, from + 1);
    if (at_or(s, from) == ',')
        from = skip_blanks(s, from + 1);
    if (!is_year(s, from))
        return at;
    *year = number_at(s, from, 4);
    return from + 4;
}

/* 3 May 2021, 3rd of May, 3. Mai. */
static bool read_day_first(struct str s, size_t at, struct fact *f)
{
    size_t n = digits(s, at);
    if (n == 0 || n > 2)
        return false;
    struct str word = letters(s, skip_ordinal(s, at + n));
    int month = month_of(word), year = 0;
    if (!month || !is_upper(word.p[0]))
        return false;
    size_t end = (size_t)(word.p - s.p) + word.len;
    end = take_year(s, end, &year);
    return date(f, at, end, year, month, number_at(s, at, n));
}

/* May 3, 2021; May 3rd; May 2021. */
static bool read_month_first(struct str s, size_t at, struct fact *f)
{
    struct str word = letters(s, at);
    int month = month_of(word), year = 0;
    size_t from = skip_blanks(s, at + word.len);
    if (!month || !is_upper(s.p[at]))
        return false;
    if (at_or(s, from) == '.')
        from = skip_blanks(s, from + 1);
    size_t n = digits(s, from);
    if (is_year(s, from))
        return date(f, at, from + 4, number_at(s, from, 4), month, 0);
    if (n == 0 || n > 2)
        return false;
    size_t end = from + n;
    if (word_char(s, end) > end) /* 3rd */
        end += letters(s, end).len == 2 ? 2 : 0;
    end = take_year(s, end, &year);
    return date(f, at, end, year, month, number_at(s, from, n));
}

bool fact_same_date(const struct fact *said, const struct fact *found)
{
    bool same = said->month == found->month && (!said->day || said->day == found->day);
    bool swapped =
        (said->swaps || found->swaps) && said->month == found->day && said->day == found->month;
    return (same || swapped) && (!said->year || said->year == found->year);
}

/* ---- Quotations ---- */

static const struct {
    struct str open, close;
} marks[] = {
    {STR_INIT("\""), STR_INIT("\"")}, {STR_INIT("“"), STR_INIT("”")},
    {STR_INIT("„"), STR_INIT("“")},   {STR_INIT("«"), STR_INIT("»")},
    {STR_INIT("»"), STR_INIT("«")},   {STR_INIT("`"), STR_INIT("`")},
};

/* Code is a quotation however short it is; of words between quotation marks a few may be a name or
 * irony. */
static bool read_quote(struct str s, size_t at, struct fact *f)
{
    for (size_t i = 0; i < COUNT(marks); i++) {
        if (!str_starts(str_from_at(s, at), marks[i].open))
            continue;
        size_t from = at + marks[i].open.len;
        size_t n = str_find(str_from_at(s, from), marks[i].close);
        bool code = str_eq(marks[i].open, STR("`"));
        struct str inside = str_head(str_from_at(s, from), n);
        if (n == STR_NPOS || n == 0 || (!code && n < QUOTE_LEAST) ||
            str_find_char(inside, '\n') != STR_NPOS)
            return false;
        *f = (struct fact){.kind = FACT_QUOTE, .start = from, .end = from + n};
        return true;
    }
    return false;
}

/* ---- Names ---- */

/* Does the word begin a sentence, a quotation, a list item or what stands behind a colon? */
static bool begins(struct str s, size_t at)
{
    while (at > 0 && (s.p[at - 1] == ' ' || s.p[at - 1] == '*' || s.p[at - 1] == '_'))
        at--;
    return at == 0 || str_find_char(STR(".!?:\n\"#|-("), s.p[at - 1]) != STR_NPOS ||
           (unsigned char)s.p[at - 1] >= 0x80;
}

static bool next_is_capital(struct str s, size_t end)
{
    return at_or(s, end) == ' ' && is_upper(at_or(s, end + 1)) && is_lower(at_or(s, end + 2));
}

static bool is_stop(struct str word, enum lang lang)
{
    char folded[WORD_MOST * UNICODE_FOLD_GROWTH];
    if (word.len > WORD_MOST)
        return false;
    size_t n = unicode_fold(word, folded, sizeof(folded));
    return n <= 1 || terms_is_stop(lang, (struct str){folded, n});
}

/* A name by its looks: a capital where none is due, or capitals or digits inside. */
static bool looks_like_name(struct str s, size_t at, size_t end, enum lang lang)
{
    struct str word = str_span(s.p + at, s.p + end);
    bool inner = false, number = false;
    for (size_t i = 0; i < word.len; i++) {
        inner = inner || (i > 0 && is_upper(word.p[i]) && word.p[i - 1] != '-');
        number = number || is_digit(word.p[i]) || word.p[i] == '_';
    }
    if (inner || number)
        return true;
    if (!is_upper(word.p[0]) || lang == LANG_DE || word.len < 2 || is_stop(word, lang))
        return false;
    return !begins(s, at) || next_is_capital(s, end);
}

/* ---- All of them ---- */

struct fact_iter fact_begin(struct str text, enum lang lang)
{
    return (struct fact_iter){text, lang, 0, SIZE_MAX};
}

/* "2nd", which a passage may spell "second". */
static bool is_ordinal(struct str ending)
{
    return str_eq(ending, STR("st")) || str_eq(ending, STR("nd")) || str_eq(ending, STR("rd")) ||
           str_eq(ending, STR("th"));
}

static bool read_word(const struct fact_iter *it, size_t at, size_t end, struct fact *f)
{
    struct str s = it->text;
    if (is_digit(s.p[at])) {
        if (read_figures(s, at, f) || read_day_first(s, at, f))
            return true;
        read_number(s, at, f);
        return !is_ordinal(letters(s, at + digits(s, at)));
    }
    if (read_month_first(s, at, f) || read_number_word(s, at, f))
        return true;
    *f = (struct fact){.kind = FACT_NAME, .start = at, .end = end};
    return looks_like_name(s, at, end, it->lang);
}

/* "1. First": the number of a list item is no fact. */
static bool is_list_number(struct str s, size_t at)
{
    size_t n = digits(s, at);
    bool line = at == 0 || s.p[at - 1] == '\n';
    return line && n > 0 && n < 3 && !month_of(letters(s, skip_blanks(s, at + n + 1))) &&
           (at_or(s, at + n) == '.' || at_or(s, at + n) == ')') && at_or(s, at + n + 1) == ' ';
}

bool fact_next(struct fact_iter *it, struct fact *out)
{
    struct str s = it->text;
    while (it->at < s.len) {
        size_t at = it->at, end;
        if (is_list_number(s, at)) {
            it->at = at + digits(s, at);
        } else if (at != it->closes && read_quote(s, at, out)) {
            it->closes = out->end;
            it->at = out->start; /* what is in it is looked at as well */
            return true;
        } else if ((end = word_end(s, at)) > at) {
            bool found = read_word(it, at, end, out);
            it->at = found ? size_max(out->end, at + 1) : end;
            if (found)
                return true;
        } else {
            utf8_next(s, &it->at);
        }
    }
    return false;
}
