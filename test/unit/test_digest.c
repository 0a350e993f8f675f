/* What digest promises: the published answers of FIPS 180 and RFC 4231, and strict hexadecimal. */
#include "base/digest.h"

#include "tap.h"

static bool is(const uint8_t *got, const char *hex)
{
    char text[2 * SHA256_SIZE + 1];
    digest_to_hex(text, got, SHA256_SIZE);
    return strcmp(text, hex) == 0;
}

static const struct {
    const char *text, *hex;
} plain[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

/* RFC 4231, cases 1, 2, 6 and 7. */
static const struct {
    int fill, len; /* the key: `len` times `fill`; or the text "Jefe" */
    const char *text, *hex;
} keyed[] = {
    {0x0b, 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {0, 0, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {0xaa, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The key "
     "needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static void test_streams(void)
{
    char text[300];
    memset(text, 'x', sizeof(text));
    uint8_t whole[SHA256_SIZE], pieces[SHA256_SIZE];
    digest_sha256((struct str){text, sizeof(text)}, whole);
    struct digest_stream *h = digest_stream_new();
    for (size_t i = 0; i < sizeof(text); i += 7)
        digest_stream_add(h, str_head((struct str){text + i, sizeof(text) - i}, 7));
    digest_stream_end(h, pieces);
    ok(digest_equal(whole, pieces, SHA256_SIZE), "pieces give the digest of the whole");
    pieces[31] ^= 1;
    ok(!digest_equal(whole, pieces, SHA256_SIZE), "one bit is a difference");
}

int main(void)
{
    uint8_t out[SHA256_SIZE];
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        digest_sha256(str_from(plain[i].text), out);
        ok(is(out, plain[i].hex), "SHA-256 of '%s'", plain[i].text);
    }
    for (size_t i = 0; i < sizeof(keyed) / sizeof(keyed[0]); i++) {
        char fill[200];
        memset(fill, keyed[i].fill, sizeof(fill));
        struct str key = keyed[i].len ? (struct str){fill, (size_t)keyed[i].len} : STR("Jefe");
        digest_hmac(key, str_from(keyed[i].text), out);
        ok(is(out, keyed[i].hex), "HMAC of case %zu", i);
        struct digest_key k;
        digest_key_init(&k, key);
        digest_keyed(&k, str_from(keyed[i].text), out);
        ok(is(out, keyed[i].hex), "the same with a prepared key");
    }
    test_streams();
    uint8_t two[2];
    ok(digest_from_hex(two, STR("0aFf"), 2) && two[0] == 10 && two[1] == 255, "hex, either case");
    ok(!digest_from_hex(two, STR("0aF"), 2) && !digest_from_hex(two, STR("0aFf0"), 2),
       "bad length");
    ok(!digest_from_hex(two, STR("0aFg"), 2) && !digest_from_hex(two, STR("0a F"), 2), "bad digit");
    return tap_done();
}
