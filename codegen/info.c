/* What the library knows about itself: its version, operators, targets and passes. */
#include <llvm-c/Core.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "codegen/program.h"
#include "frontend/signature.h"
#include "passes/pass.h"

static char version_text[64];

static void make_version(void)
{
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    snprintf(version_text, sizeof version_text, LATHE_VERSION " (LLVM %u.%u.%u)", major, minor,
             patch);
}

const char *lathe_version(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_version);
    return version_text;
}

size_t lathe_op_count(void) { return fe_op_count(); }

lathe_op_info lathe_op_get(size_t index)
{
    const fe_op *op = fe_op_at(index);
    if (!op) return (lathe_op_info){"", "", 0, 0, "", "", ""};
    return (lathe_op_info){.domain = op->domain,
                           .name = op->name,
                           .since = op->since,
                           .until = op->until,
                           .types = op->types,
                           .lowering = "core operators",
                           .limits = op->limits};
}

static lathe_text text_of(fe_word w) { return (lathe_text){w.text ? w.text : "", (int)w.n}; }

lathe_attribute_info lathe_op_attribute(size_t index, size_t k)
{
    const fe_op *op = fe_op_at(index);
    fe_rule r;
    for (const char *at = op ? op->signature : ""; fe_rule_next(&at, &r);) {
        if (!r.name.n || k-- > 0) continue;
        const char *type = fe_type_name(r.type);
        return (lathe_attribute_info){.name = text_of(r.name),
                                      .type = {type, (int)strlen(type)},
                                      .otherwise = text_of(r.otherwise),
                                      .only = text_of(r.only),
                                      .harmless = text_of(r.harmless),
                                      .required = r.required,
                                      .since = r.since > op->since ? r.since : op->since,
                                      .until = r.until ? r.until : op->until};
    }
    return (lathe_attribute_info){.name = {"", 0}};
}

size_t lathe_target_count(void)
{
    size_t n = 0;
    while (cg_isa_at(n)) n++;
    return n;
}

lathe_target_info lathe_target_get(size_t index)
{
    const cg_isa *isa = cg_isa_at(index);
    return isa ? (lathe_target_info){isa->name, isa->library_dir, isa->cpu_bits}
               : (lathe_target_info){"", "", 0};
}

size_t lathe_pass_count(void) { return pass_count(); }

lathe_pass_info lathe_pass_get(size_t index)
{
    const pass_info *p = pass_at(index);
    return p ? (lathe_pass_info){p->name, p->summary} : (lathe_pass_info){"", ""};
}
