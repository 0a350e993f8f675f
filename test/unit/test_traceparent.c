/* What traceparent promises: nothing but the exact form is taken, and what is written reads back.
 */
#include "obs/traceparent.h"
#include "base/mem.h"

#include "tap.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static const struct {
    const char *name, *value;
    bool good;
} cases[] = {
    {"the standard's example", "00-" TRACE "-" SPAN "-01", true},
    {"not sampled", "00-" TRACE "-" SPAN "-00", true},
    {"flags that are not known", "00-" TRACE "-" SPAN "-ff", true},
    {"a later version", "01-" TRACE "-" SPAN "-01", true},
    {"a later version with more", "cc-" TRACE "-" SPAN "-01-what-the-future-will-be", true},
    {"a later version with other things behind", "cc-" TRACE "-" SPAN "-01.what", false},
    {"version 0 with more", "00-" TRACE "-" SPAN "-01-more", false},
    {"version ff", "ff-" TRACE "-" SPAN "-01", false},
    {"upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false},
    {"no trace", "00-00000000000000000000000000000000-" SPAN "-01", false},
    {"no span", "00-" TRACE "-0000000000000000-01", false},
    {"no digits", "00-" TRACE "-00f067aa0ba902bx-01", false},
    {"flags without digits", "00-" TRACE "-" SPAN "-0x", false},
    {"version without digits", "0.-" TRACE "-" SPAN "-01", false},
    {"other separators", "00_" TRACE "_" SPAN "_01", false},
    {"short", "00-" TRACE "-" SPAN "-0", false},
    {"nothing", "", false},
};

int main(void)
{
    struct traceparent t;
    char text[TRACEPARENT_SIZE];
    for (size_t i = 0; i < COUNT(cases); i++)
        ok(traceparent_parse(&t, str_from(cases[i].value)) == cases[i].good, "%s", cases[i].name);

    struct str example = str_from(cases[0].value);
    ok(traceparent_parse(&t, example) && t.trace[0] == 0x4bf92f3577b34da6 &&
           t.trace[1] == 0xa3ce929d0e0e4736 && t.span == 0x00f067aa0ba902b7 &&
           t.flags == TRACEPARENT_SAMPLED,
       "its parts");
    traceparent_format(&t, text);
    ok(str_eq((struct str){text, sizeof(text)}, example), "it is written as it was read");
    t.flags = 0;
    traceparent_format(&t, text);
    ok(text[54] == '0', "not sampled is written too");

    char state[513];
    memset(state, 'a', sizeof(state));
    ok(traceparent_state_ok(STR("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")), "a tracestate");
    ok(traceparent_state_ok((struct str){state, 512}) &&
           !traceparent_state_ok((struct str){state, 513}),
       "a tracestate has a bound");
    ok(!traceparent_state_ok(STR("a=\xc3\xa4")) && !traceparent_state_ok(STR("a=b\r\nx: y")) &&
           !traceparent_state_ok(STR_NONE),
       "a tracestate is printable");
    return tap_done();
}
