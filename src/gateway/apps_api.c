/* apps_api.c - /apps/...: the pages that come with the server. Their files (apps/) are part of the
 * binary.
 *
 * A page is static and open; what it shows it asks the public API for, with the reader's key. It
 * may load nothing from elsewhere.
 */
#include "gateway/routes.h"

#include <apps.h>

static bool reply_page(struct request *r, const char *type, const unsigned char *bytes, size_t n,
                       struct err *e)
{
    struct http_header h[REPLY_HEADERS + 4];
    size_t k = reply_headers(r, type, h);
    const struct str body = {(const char *)bytes, n};
    h[k++] = (struct http_header){STR("Content-Security-Policy"),
                                  STR("default-src 'self'; img-src 'self' data:; base-uri 'none'; "
                                      "form-action 'none'; frame-ancestors 'none'")};
    h[k++] = (struct http_header){STR("X-Content-Type-Options"), STR("nosniff")};
    h[k++] = (struct http_header){STR("Referrer-Policy"), STR("no-referrer")};
    h[k++] = (struct http_header){STR("Cache-Control"), STR("no-cache")};
    return http_reply(r->http, 200, h, k, &body, 1, e);
}

bool apps_document_qa(struct request *r, struct err *e)
{
    return reply_page(r, "text/html; charset=utf-8", index_html, sizeof(index_html), e);
}

bool apps_document_qa_script(struct request *r, struct err *e)
{
    return reply_page(r, "text/javascript; charset=utf-8", app_js, sizeof(app_js), e);
}

bool apps_document_qa_style(struct request *r, struct err *e)
{
    return reply_page(r, "text/css; charset=utf-8", style_css, sizeof(style_css), e);
}
