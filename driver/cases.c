/* Finding test cases below a path. A folder with model.onnx or with a test_data_set_0 is a case,
 * and is not searched further. */
#include "driver/cases.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool exists(const char *dir, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

static bool cases_add(case_list *list, const char *dir)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        char **dirs = realloc(list->dirs, cap * sizeof *dirs);
        if (!dirs) return false;
        list->dirs = dirs;
        list->cap = cap;
    }
    list->dirs[list->n] = strdup(dir);
    return list->dirs[list->n] && ++list->n;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool find(const char *path, int depth, case_list *list)
{
    if (exists(path, "model.onnx") || exists(path, "test_data_set_0")) return cases_add(list, path);
    DIR *dir = depth < 8 ? opendir(path) : NULL;
    if (!dir) return false;
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(dir));) {
        char child[4096];
        struct stat st;
        if (e->d_name[0] == '.') continue;
        int n = snprintf(child, sizeof child, "%s/%s", path, e->d_name);
        if (n <= 0 || (size_t)n >= sizeof child || stat(child, &st) != 0 || !S_ISDIR(st.st_mode))
            continue;
        find(child, depth + 1, list);
    }
    closedir(dir);
    return ok;
}

bool cases_find(const char *path, case_list *list)
{
    size_t before = list->n;
    bool ok = find(path, 0, list);
    if (list->n > before) qsort(list->dirs + before, list->n - before, sizeof *list->dirs, by_name);
    return ok;
}

void cases_free(case_list *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->dirs[i]);
    free(list->dirs);
}

void case_tolerance(const char *dir, double *atol, double *rtol)
{
    char path[4096], text[65536];
    *atol = 1e-5;
    *rtol = 1e-3;
    snprintf(path, sizeof path, "%s/meta.json", dir);
    FILE *f = fopen(path, "r");
    if (!f) return;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    cJSON *json = cJSON_ParseWithLength(text, n);
    const cJSON *a = cJSON_GetObjectItem(json, "atol"), *r = cJSON_GetObjectItem(json, "rtol");
    if (cJSON_IsNumber(a)) *atol = a->valuedouble;
    if (cJSON_IsNumber(r)) *rtol = r->valuedouble;
    cJSON_Delete(json);
}
