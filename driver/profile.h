/* bench --profile: which kernels a model's time goes to. */
#ifndef LATHE_DRIVER_PROFILE_H
#define LATHE_DRIVER_PROFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lathe_rt.h"

/* What this machine does with the threads of a run. */
typedef struct machine {
    double flops, bytes; /* a second; 0: not measured */
} machine;
machine machine_measure(const lathe_threads *); /* NULL: the caller's thread */

double seconds_now(void);

typedef struct profile profile;
profile *profile_new(void); /* NULL: no memory */
void profile_free(profile *);
/* Tells the session to report to the profile; after `end` to nobody. */
lathe_status profile_begin(profile *, lathe_session *);
/* The runs since begin took this long together. false: memory was lacking, the profile is void. */
bool profile_end(profile *, lathe_session *, double seconds, size_t runs);
void profile_text(const profile *, machine, FILE *);
void profile_json(const profile *, machine, FILE *); /* members of an object, without braces */

#endif
