/* compare --against f32: what a precision costs.
 *
 * In: a model and --precision, and a folder with inputs, or none: then the inputs are those that
 * bench draws, the same for both. The model is compiled twice, as asked for and in f32, and run.
 * Out: one line an output, with the largest error, the largest one relative to f32's element, the
 * root mean square of all errors relative to that of the output, and the cosine between the two. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/driver.h"
#include "driver/library.h"

typedef struct errors {
    int64_t elements, unlike; /* unlike: of integers or texts; of floats, infinite or NaN in one */
    double most, relative, squares;
    double of_got, of_want, both; /* sums of squares, and of products */
} errors;

static bool is_float(lathe_elem elem)
{
    return elem == LATHE_F32 || elem == LATHE_F64 || elem == LATHE_F16 || elem == LATHE_BF16;
}

static void add(errors *e, double got, double want)
{
    double error = fabs(got - want);
    if (got == want || (isnan(got) && isnan(want))) error = 0;
    if (!isfinite(error)) {
        e->unlike++;
        return;
    }
    if (!isfinite(want)) return;
    if (error > e->most) e->most = error;
    if (want != 0 && error / fabs(want) > e->relative) e->relative = error / fabs(want);
    e->squares += error * error;
    e->of_got += got * got;
    e->of_want += want * want;
    e->both += got * want;
}

static bool same_sizes(const lathe_tensor *a, const lathe_tensor *b)
{
    bool same = a->elem == b->elem && a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++) same = a->dims[i] == b->dims[i];
    return same;
}

/* Integers of 64 bits are not numbers of double. */
static bool same_element(const lathe_tensor *a, const lathe_tensor *b, int64_t i)
{
    size_t width = (size_t)tensor_elem_bits(a->elem) / 8, at = (size_t)i * width;
    if (!width) return tensor_value(a, i) == tensor_value(b, i);
    return memcmp((const char *)a->data + at, (const char *)b->data + at, width) == 0;
}

/* false: sizes that the data decide differ. */
static bool measure(const lathe_tensor *got, const lathe_tensor *want, errors *e)
{
    *e = (errors){0};
    if (!same_sizes(got, want) || !tensor_count(want, &e->elements)) return false;
    for (int64_t i = 0; i < e->elements; i++) {
        if (is_float(want->elem)) add(e, tensor_value(got, i), tensor_value(want, i));
        else e->unlike += !same_element(got, want, i);
    }
    return true;
}

static double quotient(double a, double b) { return b > 0 ? a / b : a > 0 ? INFINITY : 0; }

static void print_text(const char *name, lathe_elem elem, const errors *e)
{
    printf("%s: ", name);
    if (is_float(elem))
        printf("error at most %.3g, relative %.3g, root mean square %.3g %%, cosine %.7f%s",
               e->most, e->relative, 100 * sqrt(quotient(e->squares, e->of_want)),
               e->squares > 0 ? quotient(e->both, sqrt(e->of_got) * sqrt(e->of_want)) : 1,
               e->unlike ? ", " : "");
    if (e->unlike || !is_float(elem))
        printf("%lld of %lld elements differ", (long long)e->unlike, (long long)e->elements);
    putchar('\n');
}

static void json_number(const char *key, double v)
{
    if (isfinite(v)) printf(", \"%s\": %.9g", key, v);
    else printf(", \"%s\": null", key);
}

static void print_json(const char *name, lathe_elem elem, const errors *e)
{
    printf("{\"value\": ");
    lathe_json_string(stdout, name);
    printf(", \"elements\": %lld, \"unlike\": %lld", (long long)e->elements, (long long)e->unlike);
    if (is_float(elem)) {
        json_number("error", e->most);
        json_number("relative", e->relative);
        json_number("rms", sqrt(quotient(e->squares, e->of_want)));
        json_number("cosine",
                    e->squares > 0 ? quotient(e->both, sqrt(e->of_got) * sqrt(e->of_want)) : 1);
    }
    printf("}\n");
}

static int compare_outputs(const cli_options *o, const loaded *got, const loaded *want)
{
    for (int i = 0; i < want->nout; i++) {
        lathe_tensor_info info;
        errors e;
        lathe_info(want->lib->desc, LATHE_OUTPUTS, i, &info);
        if (info.elem == LATHE_STRING) { /* pointers */
            if (!o->quiet && !o->json) printf("%s: strings, not compared\n", info.name);
            continue;
        }
        if (!measure(&got->out[i], &want->out[i], &e)) {
            char text[600];
            snprintf(text, sizeof text, "'%.300s' has other sizes than in f32", info.name);
            return fail_file(LATHE_BAD_VALUE, o->paths.items[0], text);
        }
        if (o->json) print_json(info.name, info.elem, &e);
        else if (!o->quiet) print_text(info.name, info.elem, &e);
    }
    return EXIT_OK;
}

/* Compiles, reads or draws the inputs, runs. */
static int run_one(const cli_options *o, loaded *m)
{
    int code = load_model(o, o->paths.items[0], !o->case_dir, m);
    if (code != EXIT_OK) return code;
    lathe_status s = lathe_run(m->session, m->in, m->out);
    return s == LATHE_OK ? EXIT_OK
                         : fail_run(s, o->paths.items[0], lathe_session_message(m->session));
}

int compare_precisions(const cli_options *o)
{
    cli_options wide = *o;
    loaded got = {0}, want = {0};
    wide.precision = NULL;
    wide.activations = "f32";
    if (has_suffix(o->paths.items[0], ".so"))
        return usage_error("--against f32 takes a model, which is compiled twice, not a library");
    int code = run_one(&wide, &want);
    if (code == EXIT_OK) code = run_one(o, &got);
    if (code == EXIT_OK) code = compare_outputs(o, &got, &want);
    unload_model(&got);
    unload_model(&want);
    return code;
}
