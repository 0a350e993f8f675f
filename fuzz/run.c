/* Feeds every file given, and every file of a directory given, to a fuzz target: the corpus as a
 * test, and a crash found by a fuzzer as a program for the debugger. */
#include "base/mem.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int runs;

static bool feed_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return false;
    }
    /* Exactly as large as the file: a read behind its end is then seen by the sanitizer. */
    struct stat st;
    bool good = fstat(fileno(f), &st) == 0;
    size_t size = good ? (size_t)st.st_size : 0;
    uint8_t *data = mem_new(size);
    good = good && fread(data, 1, size, f) == size;
    if (good)
        LLVMFuzzerTestOneInput(data, size);
    else
        perror(path);
    runs++;
    mem_free(data);
    fclose(f);
    return good;
}

static bool feed(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        perror(path);
        return false;
    }
    if (!S_ISDIR(st.st_mode))
        return feed_file(path);
    struct dirent **entry;
    int n = scandir(path, &entry, NULL, alphasort);
    bool good = n >= 0;
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entry[i]->d_name);
        if (entry[i]->d_name[0] != '.')
            good = feed(file) && good;
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
    else
        perror(path);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++)
        good = feed(argv[i]) && good;
    printf("%d inputs\n", runs);
    return good && runs > 0 ? 0 : 1;
}
