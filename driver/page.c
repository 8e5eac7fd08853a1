/* The files of driver/page/ as they are. PAGE_DIR is set by the build, which also knows that this
 * object depends on them. */
#include "driver/page.h"

#define ASSET(name, file)                                                                          \
    __asm__(".section .rodata\n.globl " #name "\n.hidden " #name "\n" #name                        \
            ":\n.incbin \"" PAGE_DIR "/" file "\"\n.byte 0\n.previous\n");

ASSET(page_head, "head.html")
ASSET(page_style, "style.css")
ASSET(page_body, "body.html")
ASSET(page_dagre, "dagre.min.js")
ASSET(page_data, "data.js")
ASSET(page_graph, "graph.js")
ASSET(page_views, "views.js")
ASSET(page_main, "main.js")
