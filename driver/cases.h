/* ONNX test cases: folders with model.onnx and test_data_set_K. */
#ifndef LATHE_DRIVER_CASES_H
#define LATHE_DRIVER_CASES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct case_list {
    char **dirs; /* sorted */
    size_t n, cap;
} case_list;

/* Adds every case at or below path; false: cannot be read, or out of memory. */
bool cases_find(const char *path, case_list *);
void cases_free(case_list *);
/* Tolerances of meta.json, or the defaults 1e-5 and 1e-3. */
void case_tolerance(const char *dir, double *atol, double *rtol);

#endif
