/* server/pages/, as bytes of the program: each file between two symbols (server/pages.h). */

/* The note that says that branches are tracked: one object without it and the program has none. */
#ifdef __CET__
#include <cet.h>
#endif

.macro page name, file
        .global pages_\name, pages_\name\()_end
pages_\name:
        .incbin "server/pages/\file"
pages_\name\()_end:
        .byte 0
.endm

        .section .rodata
        page console_html, "console.html"
        page console_js, "console.js"
        page docs_html, "docs.html"
        page docs_js, "docs.js"
        page style_css, "style.css"
        page openapi_json, "openapi.json"

        .section .note.GNU-stack, "", @progbits
