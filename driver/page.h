/* The parts of the page that `lathe inspect` writes: files of driver/page/, NUL-terminated. */
#ifndef LATHE_DRIVER_PAGE_H
#define LATHE_DRIVER_PAGE_H

extern const char page_head[], page_style[], page_body[];
extern const char page_dagre[]; /* layout of graphs: dagre 3.1.3, MIT, its licence at its top */
extern const char page_data[], page_graph[], page_views[], page_main[];

#endif
