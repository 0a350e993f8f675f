/* What list promises: order, and removing twice or while walking. */
#include "base/list.h"

#include "tap.h"

#include <string.h>

struct item {
    char name;
    struct list node;
};

static void spell(char *out, struct list *head)
{
    list_each (node, head)
        *out++ = list_entry(node, struct item, node)->name;
    *out = 0;
}

int main(void)
{
    struct list head;
    struct item item[4] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};
    char text[8];
    list_init(&head);
    ok(list_empty(&head), "empty");
    for (int i = 0; i < 3; i++)
        list_add(&head, &item[i].node);
    list_push(&head, &item[3].node);
    spell(text, &head);
    ok(strcmp(text, "dabc") == 0, "behind and in front: %s", text);
    list_remove(&item[1].node);
    list_remove(&item[1].node);
    spell(text, &head);
    ok(strcmp(text, "dac") == 0, "removing twice is harmless: %s", text);
    list_each (node, &head)
        if (list_entry(node, struct item, node)->name != 'a')
            list_remove(node);
    spell(text, &head);
    ok(strcmp(text, "a") == 0, "removed while walking: %s", text);
    list_remove(&item[0].node);
    ok(list_empty(&head), "empty again");
    return tap_done();
}
