#include "backup/repo/repo_text.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void print(const char *json, char *text, size_t size)
{
    struct buf b;
    json_t *answers = json_parse(json, strlen(json), NULL);
    assert_non_null(answers);
    buf_init(&b, 64 * 1024);
    repo_text(answers, &b);
    (void)snprintf(text, size, "%s", buf_str(&b));
    buf_done(&b);
    json_decref(answers);
}

static void each_repository_is_a_block_of_lines(void **state)
{
    char text[4096];
    print("[{\"repository\":{\"id\":\"ab\",\"label\":\"main\",\"location\":"
          "\"ssh://u:pw@h/./r\",\"last_modified\":\"2026-11-25T15:53:27.000000\"},"
          "\"encryption\":{\"mode\":\"repokey\"},\"security_dir\":\"/s\","
          "\"cache\":{\"path\":\"/c\",\"stats\":{\"total_size\":300900301,\"total_csize\":1500,"
          "\"unique_csize\":999,\"total_chunks\":856,\"total_unique_chunks\":429}}},"
          "{\"repository\":{\"id\":\"cd\"},\"encryption\":{\"mode\":\"none\"}}]",
          text, sizeof text);
    assert_non_null(strstr(text, "main: Displaying repository info\nRepository ID: ab\n"));
    assert_non_null(strstr(text, "\nEncrypted: Yes (repokey)\n"));
    assert_null(strstr(text, "pw"));
    assert_non_null(strstr(text, "300.90 MB"));
    assert_non_null(strstr(text, "1.50 kB"));
    assert_non_null(strstr(text, "999 B"));
    assert_non_null(strstr(text, "429"));
    assert_non_null(strstr(text, "Repository ID: cd\n"));
    assert_non_null(strstr(text, "\nEncrypted: No (none)\n"));
}

static void what_is_no_answer_prints_little_and_harms_nothing(void **state)
{
    char text[4096];
    print("[]", text, sizeof text);
    assert_string_equal(text, "");
    print("[5,null,{},{\"repository\":7,\"cache\":[],\"encryption\":\"x\"}]", text, sizeof text);
    assert_non_null(strstr(text, "repository: Displaying"));
}

static void the_label_joins_the_answer(void **state)
{
    const struct resolved_repo repo = {.location = "/srv/repo", .label = "main"};
    json_t *a = json_pack("{s:{s:s}}", "repository", "id", "ab");
    assert_ptr_equal(repo_text_label(NULL, &repo, a, NULL), a);
    assert_string_equal(json_get_str(json_object_get(a, "repository"), "label", ""), "main");
    json_decref(a);
    a = json_array();
    assert_ptr_equal(repo_text_label(NULL, &repo, a, NULL), a);
    json_decref(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_repository_is_a_block_of_lines),
        cmocka_unit_test(what_is_no_answer_prints_little_and_harms_nothing),
        cmocka_unit_test(the_label_joins_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
