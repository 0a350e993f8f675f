/* certs.h - certificates for tests, made when they are needed: an authority and what it signs. */
#pragma once

#include "base/mem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

struct cert {
    EVP_PKEY *key;
    X509 *x509;
};

struct cert_wish {
    const char *name; /* subject */
    const char *san;  /* "DNS:a.test,IP:127.0.0.1"; NULL = an authority */
    int from_days, to_days;
};

static void cert_extend(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(ext && X509_add_ext(x, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

/* Signed by `ca`, or by itself when that is NULL. */
static struct cert cert_new(const struct cert_wish *w, const struct cert *ca)
{
    static long serial = 1;
    struct cert c = {EVP_EC_gen("P-256"), X509_new()};
    CHECK(c.key && c.x509);
    X509_set_version(c.x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c.x509), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c.x509), 86400L * w->from_days);
    X509_gmtime_adj(X509_getm_notAfter(c.x509), 86400L * w->to_days);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c.x509), "CN", MBSTRING_ASC,
                               (const unsigned char *)w->name, -1, -1, 0);
    X509_set_issuer_name(c.x509, X509_get_subject_name(ca ? ca->x509 : c.x509));
    X509_set_pubkey(c.x509, c.key);
    if (w->san)
        cert_extend(c.x509, NID_subject_alt_name, w->san);
    else
        cert_extend(c.x509, NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(c.x509, ca ? ca->key : c.key, EVP_sha256()) > 0);
    return c;
}

static void cert_free(struct cert *c)
{
    EVP_PKEY_free(c->key);
    X509_free(c->x509);
}

static void cert_write(const struct cert *c, const char *cert_file, const char *key_file)
{
    FILE *f = fopen(cert_file, "w");
    CHECK(f && PEM_write_X509(f, c->x509) == 1 && fclose(f) == 0);
    f = key_file ? fopen(key_file, "w") : NULL;
    if (key_file)
        CHECK(f && PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1 &&
              fclose(f) == 0);
}
