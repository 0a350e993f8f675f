/* readers.h - one reader per format: bytes in, blocks out.
 *
 * Each runs inside the sandbox, on bytes that someone else chose. What it cannot read it says in
 * one line for the person who put the document there. `a` lasts as long as `b`.
 *
 * Threads: a process of one thread. The *_prepare functions load what their libraries read from
 *          files, before the sandbox closes; they are needed once.
 */
#pragma once

#include "reader/blocks.h"

/* Paragraphs with their lines. */
bool text_read(struct blocks *b, struct str bytes, struct err *e);

/* CommonMark with GitHub's tables, front matter (YAML or TOML), wiki links and comments of
 * Obsidian. */
void markdown_prepare(void);
bool markdown_read(struct blocks *b, struct str bytes, struct err *e);

/* The article or the text of a page, without navigation, advertisements and what else stands around
 * it. How it tells them apart is in html.c. */
void html_prepare(void);
bool html_read(struct blocks *b, struct str bytes, struct err *e);
/* The text of a piece of HTML, tags off, in `a`. */
struct str html_text(struct arena *a, struct str fragment);

/* The text layer, with pages; paragraphs and headings by layout. */
void pdf_prepare(void);
bool pdf_read(struct blocks *b, struct str bytes, struct err *e);

/* Whichever of them the bytes need. */
bool readers_run(struct blocks *b, struct str bytes, struct str extension, struct err *e);
void readers_prepare(void);
