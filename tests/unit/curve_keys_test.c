#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "server/curve_keys.h"
#include "tests/support/temp_dir.h"

static struct temp_dir folder;
static char *path;
static struct fault fault;

static int make_folder(void **state)
{
    (void)state;
    temp_dir_create(&folder);
    path = temp_dir_file(&folder, "keys");
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    free(path);
    temp_dir_remove(&folder);
    return 0;
}

static void what_is_made_can_be_read(void **state)
{
    char public_key[ZEROMQ_KEY_TEXT], secret_key[ZEROMQ_KEY_TEXT], derived[ZEROMQ_KEY_TEXT];
    struct stat status;
    (void)state;
    assert_true(curve_keys_make(path, public_key, &fault));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_true(curve_keys_read_secret(path, secret_key, &fault));
    assert_int_equal(zmq_curve_public(derived, secret_key), 0);
    assert_string_equal(derived, public_key);
}

static void no_pair_is_like_another(void **state)
{
    char one[ZEROMQ_KEY_TEXT], other[ZEROMQ_KEY_TEXT];
    (void)state;
    assert_true(curve_keys_make(path, one, &fault));
    assert_int_equal(unlink(path), 0);
    assert_true(curve_keys_make(path, other, &fault));
    assert_string_not_equal(one, other);
}

static void expect_fault(const char *wanted)
{
    assert_int_equal(fault.status, 400);
    if (strstr(fault.text, wanted) == NULL || strstr(fault.text, path) != fault.text)
        fail_msg("'%s' is wanted, behind the path, got '%s'", wanted, fault.text);
}

static void a_file_that_is_there_stays_as_it_is(void **state)
{
    char public_key[ZEROMQ_KEY_TEXT];
    struct stat status;
    (void)state;
    temp_dir_write(&folder, "keys", "mine");
    assert_false(curve_keys_make(path, public_key, &fault));
    expect_fault("File exists");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 4);
}

/* As CZMQ writes it, with the public key only, and whatever else. */
static void only_a_good_secret_key_will_do(void **state)
{
#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"metadata\ncurve\n    public-key = \"" KEY "\"\n    secret-key = \"" KEY "\"\n", true},
        {"secret-key=\"" KEY "\"", true},
        {"metadata\ncurve\n    public-key = \"" KEY "\"\n", false},
        {"secret-key = " KEY, false},
        {"secret-key = \"" KEY, false},
        {"secret-key = \"short\"", false},
        {"secret-key = \"" KEY "x\"", false},
        {"secret-key = \"~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\"", false},
        {"secret-key", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char secret_key[ZEROMQ_KEY_TEXT];
        temp_dir_write(&folder, "keys", "%s", rows[i].text);
        assert_int_equal(chmod(path, 0640), 0);
        const bool good = curve_keys_read_secret(path, secret_key, &fault);
        assert_int_equal(good, rows[i].good);
        if (good)
            assert_string_equal(secret_key, KEY);
        else
            expect_fault("secret-key = \"...\" with 40 Z85 characters");
    }
}

static void what_others_may_read_is_no_secret(void **state)
{
    char public_key[ZEROMQ_KEY_TEXT], secret_key[ZEROMQ_KEY_TEXT];
    (void)state;
    assert_true(curve_keys_make(path, public_key, &fault));
    assert_int_equal(chmod(path, 0644), 0);
    assert_false(curve_keys_read_secret(path, secret_key, &fault));
    expect_fault("only its owner and group may read expected, got mode 0644");
}

static void a_file_that_is_not_there_is_named(void **state)
{
    char secret_key[ZEROMQ_KEY_TEXT];
    (void)state;
    assert_false(curve_keys_read_secret(path, secret_key, &fault));
    expect_fault("No such file");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_made_can_be_read),
        TEST(no_pair_is_like_another),
        TEST(a_file_that_is_there_stays_as_it_is),
        TEST(only_a_good_secret_key_will_do),
        TEST(what_others_may_read_is_no_secret),
        TEST(a_file_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
