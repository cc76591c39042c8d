/* link: an intrusive, doubly linked, circular list. The list's head is a link as well; an element
 * that is in no list points to itself. Owns nothing. */
#ifndef HTTP_LINK_H
#define HTTP_LINK_H

#include <stdbool.h>
#include <stddef.h>

struct http_link {
    struct http_link *prev, *next;
};

#define http_link_entry(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

static inline void http_link_init(struct http_link *l)
{
    l->prev = l->next = l;
}

static inline bool http_link_empty(const struct http_link *l)
{
    return l->next == l;
}

static inline void http_link_del(struct http_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    http_link_init(l);
}

static inline void http_link_add_tail(struct http_link *head, struct http_link *l)
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

#endif
