/* list.h - a doubly linked ring through nodes that live inside the things they chain.
 *
 * The head is a node too. A node that is in no list points at itself, so removing twice is
 * harmless.
 */
#pragma once

#include "base/mem.h"

struct list {
    struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

/* Behind the last one, that is in front of the head. */
static inline void list_add(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* In front of the first one. */
static inline void list_push(struct list *head, struct list *node)
{
    list_add(head->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#define list_entry(node, type, member) CONTAINER_OF(node, type, member)

/* `next` is read before the body runs, so the body may remove `node`. */
#define list_each(node, head)                                                                      \
    for (struct list *node = (head)->next, *node##_next = node->next; node != (head);              \
         node = node##_next, node##_next = node->next)
