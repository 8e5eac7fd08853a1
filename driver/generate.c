/* generate (hidden; run by the build): the man page and the shells' completions, from the tables
 * that
 * --help is printed from, so that they cannot differ from it.
 *
 * In: the command table, the option table, and the names of targets and passes. Out: text on
 * stdout. Invariant: texts of the tables may hold any printable character; each writer quotes for
 * its language. What a value may be (a word of a list, a file, a folder) is decided once, in
 * `value_of`. */
#include <stdio.h>
#include <string.h>

#include "driver/driver.h"

typedef enum { ANYTHING, WORDS, WORD_LIST, FILES, FOLDERS } value_kind;

typedef struct value {
    value_kind kind;
    char words[2048]; /* WORDS, WORD_LIST: separated by blanks */
} value;

static void add_word(value *v, const char *word)
{
    size_t n = strlen(v->words);
    snprintf(v->words + n, sizeof v->words - n, "%s%s", n ? " " : "", word);
}

static value value_of(const option_row *r)
{
    value v = {.kind = ANYTHING};
    if (option_choices(r)) {
        v.kind = WORDS;
        for (const char *const *w = option_choices(r); *w; w++) add_word(&v, *w);
    } else if (strcmp(r->name, "target") == 0 || strcmp(r->name, "cpu") == 0) {
        v.kind = strcmp(r->name, "cpu") == 0 ? WORDS : WORD_LIST;
        for (size_t i = 0; i < lathe_target_count(); i++) add_word(&v, lathe_target_get(i).name);
    } else if (strstr(r->name, "pass") || strcmp(r->name, "dump-after") == 0) {
        v.kind = strcmp(r->name, "passes") == 0 ? WORD_LIST : WORDS;
        for (size_t i = 0; i < lathe_pass_count(); i++) add_word(&v, lathe_pass_get(i).name);
        if (strcmp(r->name, "dump-after") == 0) add_word(&v, "all");
    } else if (r->arg && strstr(r->arg, "FILE")) {
        v.kind = FILES;
    } else if (r->arg && strstr(r->arg, "DIR")) {
        v.kind = FOLDERS;
    }
    return v;
}

/* text with each character that is in `special` behind `escape`. */
static void put_escaped(const char *text, const char *special, const char *escape)
{
    for (; *text; text++) {
        if (strchr(special, *text)) fputs(escape, stdout);
        putchar(*text);
    }
}

/* ---- man ---- */

static void put_roff(const char *text)
{
    if (*text == '.' || *text == '\'') fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else if (*text == '\'') fputs("\\(aq", stdout);
        else putchar(*text);
    }
}

static void man_option(const option_row *r)
{
    puts(".TP");
    fputs(".B ", stdout);
    if (r->letter) printf("\\-%c\\fR, \\fB", r->letter);
    fputs("\\-\\-", stdout);
    put_roff(r->name);
    if (r->arg) {
        printf("%s\\fI", r->kind == MAYBE ? "" : " ");
        put_roff(r->arg);
        printf("\\fR");
    }
    putchar('\n');
    put_roff(r->help);
    putchar('\n');
}

static void man_options(unsigned commands, bool common)
{
    for (size_t i = 0; i < option_count; i++) {
        const option_row *r = &option_rows[i];
        if ((r->commands & commands) && (r->commands == ALL) == common) man_option(r);
    }
}

static const char man_end[] =
    ".SH EXIT STATUS\n"
    "0 success, 1 wrong usage, 2 bad input, 3 not supported, 4 resources, 5 toolchain, 70 a defect "
    "of\n"
    "lathe.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B NO_COLOR\nset and not empty: messages have no colours.\n"
    ".TP\n.B TMPDIR\nwhere temporary files go instead of /tmp.\n"
    ".SH FILES\n"
    ".TP\n.I ../lib/lathe/ARCH/liblathe_rt.a\n"
    "the runtime that is linked into every library, looked for from the place of the command.\n"
    ".SH EXAMPLES\n"
    ".EX\nlathe check bert.onnx\nlathe compile bert.onnx \\-\\-name bert \\-\\-target "
    "x86\\-64\\-v3,x86\\-64\\-v4\n"
    "lathe run bert.onnx \\-\\-input input_ids=ids.npy\nlathe bench libbert.so \\-\\-case "
    "test_data_set_0\n.EE\n";

static void generate_man(void)
{
    printf(".TH LATHE 1 \"\" \"lathe %s\" \"User Commands\"\n", lathe_version());
    puts(".SH NAME\nlathe \\- compile ONNX transformers to native code\n.SH SYNOPSIS\n"
         ".B lathe\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n.SH DESCRIPTION\n"
         "Reads an ONNX model and writes a library, its C header and its weights. A value follows "
         "its\n"
         "option as the next word or behind an equals sign; \\fB\\-\\-\\fR ends the options.\n.SH "
         "COMMANDS");
    for (size_t i = 0; command_at(i); i++) {
        const command *c = command_at(i);
        if (!c->help) continue;
        printf(".SS lathe %s [OPTION]... ", c->name);
        put_roff(c->args);
        putchar('\n');
        put_roff(c->help);
        puts(".");
        man_options(c->bit, false);
    }
    puts(".SS Options of every command");
    man_options(ALL, true);
    fputs(man_end, stdout);
}

/* ---- bash ---- */

static void bash_options(unsigned commands)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_rows[i].commands & commands) printf(" --%s", option_rows[i].name);
}

static void bash_values(void)
{
    for (size_t i = 0; i < option_count; i++) {
        const option_row *r = &option_rows[i];
        value v = value_of(r);
        if (r->kind == FLAG || r->kind == MAYBE) continue;
        printf("    --%s", r->name);
        if (r->letter) printf("|-%c", r->letter);
        if (v.kind == WORDS) printf(") words='%s' ;;\n", v.words);
        else if (v.kind == WORD_LIST)
            printf(") words='%s' before=${cur%%\"${cur##*,}\"} ;;\n", v.words);
        else if (v.kind == FOLDERS) puts(") kind=directory ;;");
        else puts(v.kind == FILES ? ") kind=file ;;" : ") kind=none ;;");
    }
}

static void generate_bash(void)
{
    puts("# bash completion for lathe; written by the build.\n"
         "_lathe() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= before= "
         "kind=\n"
         "    # '=' is a word of its own where bash breaks words at it.\n"
         "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then "
         "prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "    COMPREPLY=()\n"
         "    if ((COMP_CWORD == 1)); then");
    fputs("        words='--help --version", stdout);
    for (size_t i = 0; command_at(i); i++)
        if (command_at(i)->help) printf(" %s", command_at(i)->name);
    puts("'\n    else case $prev in");
    bash_values();
    puts("    *)\n        [[ $cur == -* ]] || kind=file\n        case ${COMP_WORDS[1]} in");
    for (size_t i = 0; command_at(i); i++) {
        if (!command_at(i)->help) continue;
        printf("        %s) words='", command_at(i)->name);
        bash_options(command_at(i)->bit);
        puts("' ;;");
    }
    puts("        esac ;;\n"
         "    esac fi\n"
         "    case $kind in\n"
         "    file|directory)\n"
         "        # NAME=FILE: the name stays.\n"
         "        [[ $cur == *=* ]] && { before=${cur%%=*}=; cur=${cur#*=}; }\n"
         "        compopt -o filenames 2>/dev/null\n"
         "        mapfile -t COMPREPLY < <(compgen -A \"$kind\" -P \"$before\" -- \"$cur\") ;;\n"
         "    none) ;;\n"
         "    *) mapfile -t COMPREPLY < <(compgen -W \"$words\" -P \"$before\" -- "
         "\"${cur#\"$before\"}\") ;;\n"
         "    esac\n"
         "}\n"
         "complete -F _lathe lathe");
}

/* ---- zsh ---- */

static void zsh_action(const option_row *r)
{
    value v = value_of(r);
    printf(":");
    put_escaped(r->arg, ":'", "\\");
    switch (v.kind) {
    case WORDS:
        printf(":(%s)", v.words);
        break;
    case WORD_LIST:
        printf(":_values -s , %s %s", r->name, v.words);
        break;
    case FILES:
        printf(":_files");
        break;
    case FOLDERS:
        printf(":_files -/");
        break;
    default:
        printf(": ");
        break;
    }
}

static void put_zsh(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'') fputs("'\\''", stdout);
        else if (strchr("[]:\\", *text)) printf("\\%c", *text);
        else putchar(*text);
    }
}

static void zsh_option(const option_row *r)
{
    const char *star = r->kind == LIST ? "*" : "";
    if (r->letter) printf("            '%s'{-%c,--%s}'[", star, r->letter, r->name);
    else printf("            '%s--%s[", star, r->name);
    put_zsh(r->help);
    putchar(']');
    if (r->kind != FLAG && r->kind != MAYBE) zsh_action(r);
    puts("' \\");
}

static void generate_zsh(void)
{
    puts("#compdef lathe\n# zsh completion for lathe; written by the build.\n"
         "_lathe() {\n    local -a commands=(");
    for (size_t i = 0; command_at(i); i++) {
        if (!command_at(i)->help) continue;
        printf("        '%s:", command_at(i)->name);
        put_zsh(command_at(i)->help);
        puts("'");
    }
    puts("    )\n    if ((CURRENT == 2)); then\n        _describe command commands\n        "
         "return\n    fi\n"
         "    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in");
    for (size_t i = 0; command_at(i); i++) {
        if (!command_at(i)->help) continue;
        printf("    %s)\n        _arguments \\\n", command_at(i)->name);
        for (size_t k = 0; k < option_count; k++)
            if (option_rows[k].commands & command_at(i)->bit) zsh_option(&option_rows[k]);
        puts("            '*:file:_files'\n        ;;");
    }
    puts("    esac\n}\n_lathe \"$@\"");
}

/* ---- fish ---- */

static void fish_option(const option_row *r)
{
    value v = value_of(r);
    fputs("complete -c lathe -n '__fish_seen_subcommand_from", stdout);
    for (size_t i = 0; command_at(i); i++)
        if (command_at(i)->help && (r->commands & command_at(i)->bit))
            printf(" %s", command_at(i)->name);
    printf("' -l %s", r->name);
    if (r->letter) printf(" -s %c", r->letter);
    if (r->kind != FLAG && r->kind != MAYBE) printf(v.kind == FILES ? " -rF" : " -x");
    if ((v.kind == WORDS && r->kind != MAYBE) || v.kind == WORD_LIST) printf(" -a '%s'", v.words);
    if (v.kind == FOLDERS) printf(" -a '(__fish_complete_directories)'");
    fputs(" -d '", stdout);
    put_escaped(r->help, "'\\", "\\");
    puts("'");
}

static void generate_fish(void)
{
    puts("# fish completion for lathe; written by the build.");
    for (size_t i = 0; command_at(i); i++) {
        if (!command_at(i)->help) continue;
        printf("complete -c lathe -f -n __fish_use_subcommand -a %s -d '", command_at(i)->name);
        put_escaped(command_at(i)->help, "'\\", "\\");
        puts("'");
    }
    for (size_t i = 0; i < option_count; i++) fish_option(&option_rows[i]);
}

/* ---- the command ---- */

int command_generate(const cli_options *o)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } kinds[] = {{"man", generate_man},
                 {"bash", generate_bash},
                 {"zsh", generate_zsh},
                 {"fish", generate_fish}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(o->paths.items[0], kinds[i].name) != 0) continue;
        kinds[i].write();
        return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_OK : fail(LATHE_IO, "cannot write");
    }
    return usage_error("generate takes man, bash, zsh or fish, not '%s'", o->paths.items[0]);
}
