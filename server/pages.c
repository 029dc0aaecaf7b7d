#include "server/pages.h"

/* pages.S */
extern const char pages_console_html[], pages_console_html_end[];
extern const char pages_console_js[], pages_console_js_end[];
extern const char pages_docs_html[], pages_docs_html_end[];
extern const char pages_docs_js[], pages_docs_js_end[];
extern const char pages_style_css[], pages_style_css_end[];
extern const char pages_openapi_json[], pages_openapi_json_end[];

static const char HTML[] = "text/html; charset=utf-8";
static const char SCRIPT[] = "text/javascript; charset=utf-8";
static const char STYLE[] = "text/css; charset=utf-8";
static const char JSON[] = "application/json";

static const struct page {
    enum route_kind route;
    const char *content_type;
    const char *bytes, *end;
} pages[] = {
    {ROUTE_CONSOLE, HTML, pages_console_html, pages_console_html_end},
    {ROUTE_CONSOLE_SCRIPT, SCRIPT, pages_console_js, pages_console_js_end},
    {ROUTE_DOCS, HTML, pages_docs_html, pages_docs_html_end},
    {ROUTE_DOCS_SCRIPT, SCRIPT, pages_docs_js, pages_docs_js_end},
    {ROUTE_DOCS_STYLE, STYLE, pages_style_css, pages_style_css_end},
    {ROUTE_OPENAPI, JSON, pages_openapi_json, pages_openapi_json_end},
};

bool pages_answer(enum route_kind route, struct reply *reply)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        const struct page *page = &pages[i];
        if (page->route != route)
            continue;
        *reply = (struct reply){.status = 200,
                                .content_type = page->content_type,
                                .page = page->bytes,
                                .size = (size_t)(page->end - page->bytes)};
        return true;
    }
    return false;
}
