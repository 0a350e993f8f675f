/* metric.h - counters, gauges and histograms, counted without sharing and summed when read.
 *
 * A family has a name, a help text and label names; a series is a family with label values, found
 * once and kept by whoever counts (labels come from closed sets: routes, models, codes). Each
 * thread counts in its own cells, so counting is one plain add; a reader sums over the threads.
 * Histograms are log-linear: 16 steps per power of two, so a quantile is within 6.25 %, any two
 * merge by adding, and Prometheus buckets are cut from them when read.
 *
 * Units:   in the name, as Prometheus wants: _seconds, _bytes, _total. Histograms take integers
 *          (nanoseconds, bytes); `scale` turns them into the unit shown.
 * Memory:  families and series live for ever; a histogram takes 8 KB in each thread that observes.
 * Threads: registration and reading take a lock; counting takes none and may run beside them.
 *          What a thread has counted stays when it ends.
 * Source:  the bucket layout is that of Gil Tene's HdrHistogram with 4 significant bits; the text
 *          is Prometheus's exposition format 0.0.4.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_family;
struct metric; /* one series */

/* `labels` is a comma-separated list of names, "" for none. Asking twice for a name gives the same
 * family; a different kind or labels is a CHECK. */
struct metric_family *metric_family(const char *name, enum metric_kind kind, const char *labels,
                                    const char *help);
struct metric_family *metric_histogram(const char *name, double scale, const char *labels,
                                       const char *help);
/* The series with these label values, made when new; as many values as the family has labels. A
 * family has up to 2000 series: what comes later shares one whose values are all "other". */
struct metric *metric_with(struct metric_family *f, const struct str *values);
struct metric *metric_plain(struct metric_family *f); /* of a family without labels */

void metric_add(struct metric *m, int64_t n);         /* counters and gauges */
void metric_set(struct metric *m, int64_t n);         /* gauges that one owner sets */
void metric_observe(struct metric *m, int64_t value); /* histograms */

int64_t metric_value(const struct metric *m);             /* sum over the threads */
uint64_t metric_count(const struct metric *m);            /* observations of a histogram */
double metric_quantile(const struct metric *m, double q); /* in shown units; 0 when empty */

/* Called before each rendering, to set gauges that are read rather than counted. */
void metric_on_read(void (*fn)(void *), void *arg);
void metric_refresh(void); /* makes these calls, for those who read in another way */

/* A series as it is now. */
struct metric_sample {
    const struct str *name, *value; /* of its labels */
    size_t n_labels;
    int64_t number;         /* of a counter or gauge; the sum of a histogram */
    const uint64_t *bucket; /* [n_buckets] observations, of a histogram; else NULL */
    size_t n_buckets;
};
/* Calls fn for each series of a family, in order of appearance, under a lock: fn must not count,
 * register or wait. A family that nobody has registered has none. */
void metric_each(struct str family, void (*fn)(void *arg, const struct metric_sample *s),
                 void *arg);
double metric_bucket_middle(size_t i); /* of the values in a bucket, before scaling */

struct metric_process {
    double cpu_seconds;
    int64_t resident_bytes, started_ms;
};
void metric_process(struct metric_process *out);

/* Prometheus text format 0.0.4; process_* families included, read from /proc: with many open files
 * that takes milliseconds, so a loop thread leaves it to a worker. Shown bounds of histograms: 1,
 * 2.5 and 5 times powers of ten from 1e-5 for a scale below 1, else powers of four. */
void metric_render(struct buf *out);
