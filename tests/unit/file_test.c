#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/file.h"

static char folder[] = "/tmp/lstmd-file-XXXXXX";
static char path[64], other[64];
static struct fault fault;

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(other, sizeof other, "%s/b", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int remove_files(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_failure(size_t max_size, const char *text)
{
    char *data, wanted[256];
    size_t size;
    snprintf(wanted, sizeof wanted, "%s: %s", path, text);
    assert_false(file_read(path, max_size, &data, &size, &fault));
    assert_string_equal(fault.text, wanted);
}

static void a_file_is_read_whole_and_ended_with_a_nul(void **state)
{
    (void)state;
    char *data;
    size_t size;
    write_file("hello");
    assert_true(file_read(path, 5, &data, &size, &fault));
    assert_int_equal(size, 5);
    assert_string_equal(data, "hello");
    free(data);
}

static void an_empty_file_is_read(void **state)
{
    (void)state;
    char *data;
    size_t size;
    write_file("");
    assert_true(file_read(path, 0, &data, &size, &fault));
    assert_int_equal(size, 0);
    assert_string_equal(data, "");
    free(data);
}

static void links_are_followed(void **state)
{
    (void)state;
    char *data;
    size_t size;
    write_file("hello");
    assert_int_equal(symlink(path, other), 0);
    assert_true(file_read(other, 100, &data, &size, &fault));
    assert_string_equal(data, "hello");
    free(data);
}

static void what_is_too_large_is_refused(void **state)
{
    (void)state;
    write_file("hello!");
    expect_failure(5, "at most 5 bytes expected, got 6");
}

static void what_is_not_there_is_named(void **state)
{
    (void)state;
    expect_failure(5, "No such file or directory");
}

/* A pipe that nobody writes to would be waited for for ever. */
static void what_is_no_file_is_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_failure(5, "not a regular file");
}

/* ---- stamps ---- */

static void set_age(time_t seconds)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= seconds;
    const struct timespec times[2] = {now, now};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Setting its time is a change too, of this moment. */
static void a_file_of_this_moment_is_not_known_to_be_the_same(void **state)
{
    struct file_stamp before, after;
    (void)state;
    write_file("hello");
    set_age(3600);
    file_stamp_read(&before, path);
    file_stamp_read(&after, path);
    assert_false(before.certain);
    assert_false(file_stamp_is_same(&before, &after));
    file_stamp_read(&before, "/no/such/file");
    assert_false(file_stamp_is_same(&before, &before));
}

static void a_file_of_old_is_the_same_until_it_changes(void **state)
{
    struct file_stamp before, after;
    (void)state;
    file_stamp_read(&before, "/bin/sh");
    file_stamp_read(&after, "/bin/sh");
    assert_true(file_stamp_is_same(&before, &after));
    after.inode++;
    assert_false(file_stamp_is_same(&before, &after));
    after = before;
    after.changed.tv_nsec++;
    assert_false(file_stamp_is_same(&before, &after));
    after = before;
    after.size++;
    assert_false(file_stamp_is_same(&before, &after));
}

#define TEST(name) cmocka_unit_test_teardown(name, remove_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_read_whole_and_ended_with_a_nul),
        TEST(an_empty_file_is_read),
        TEST(links_are_followed),
        TEST(what_is_too_large_is_refused),
        TEST(what_is_not_there_is_named),
        TEST(what_is_no_file_is_refused_at_once),
        TEST(a_file_of_this_moment_is_not_known_to_be_the_same),
        TEST(a_file_of_old_is_the_same_until_it_changes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
