/* One request over HTTP, its tensors binary behind the JSON:
 *
 *   cc -o http_client http_client.c -lcurl && ./http_client http://127.0.0.1:8080
 *
 * Asks seed-simple, one of the models that `make run` serves, and prints its output. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answer {
    char bytes[1 << 16];
    size_t size, json_size; /* json_size: of Inference-Header-Content-Length, 0 without it */
};

static size_t take_body(char *data, size_t one, size_t size, void *context)
{
    struct answer *answer = context;
    (void)one;
    if (size > sizeof answer->bytes - answer->size)
        return 0;
    memcpy(answer->bytes + answer->size, data, size);
    answer->size += size;
    return size;
}

static size_t take_header(char *data, size_t one, size_t size, void *context)
{
    struct answer *answer = context;
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)(one * size), data);
    sscanf(line, "Inference-Header-Content-Length: %zu", &answer->json_size);
    return size;
}

static long post(const char *server, const char *body, size_t size, size_t json_size,
                 struct answer *answer)
{
    char url[512], header[64];
    long status = 0;
    snprintf(url, sizeof url, "%s/v2/models/seed-simple/infer", server);
    snprintf(header, sizeof header, "Inference-Header-Content-Length: %zu", json_size);
    struct curl_slist *headers = curl_slist_append(NULL, header);
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)size);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    const CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        fprintf(stderr, "%s: %s\n", url, curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? status : 0;
}

int main(int argc, char **argv)
{
    static const char json[] =
        "{\"id\":\"1\",\"parameters\":{\"binary_data_output\":true},"
        "\"outputs\":[{\"name\":\"output\"}],"
        "\"inputs\":[{\"name\":\"input\",\"shape\":[1,1,10],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":40}}]}";
    static struct answer answer;
    const float input[10] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.6f, 0.7f, 0.8f, 0.9f, 1};
    float output[7];
    char body[sizeof json - 1 + sizeof input];
    memcpy(body, json, sizeof json - 1);
    memcpy(body + sizeof json - 1, input, sizeof input);
    const long status = post(argc > 1 ? argv[1] : "http://127.0.0.1:8080", body, sizeof body,
                             sizeof json - 1, &answer);
    const size_t json_size = answer.json_size != 0 ? answer.json_size : answer.size;
    printf("%.*s\n", (int)json_size, answer.bytes);
    if (status != 200 || answer.size - json_size != sizeof output)
        return 1;
    memcpy(output, answer.bytes + json_size, sizeof output);
    for (int i = 0; i < 7; i++)
        printf("%.9g\n", (double)output[i]);
    return 0;
}
