#include "server/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/file.h"

#define FILE_SIZE_MAX    ((size_t)1 << 20)
#define CERTIFICATES_MAX 16

struct pem {
    char *text;
    size_t size;
};

static struct tls_files files;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct pem certificate, key; /* under the lock; they fit together */
static struct pem client_ca;

static void forget(struct pem *pem)
{
    if (pem->text != NULL)
        explicit_bzero(pem->text, pem->size);
    free(pem->text);
    *pem = (struct pem){0};
}

static gnutls_datum_t datum(const struct pem *pem)
{
    return (gnutls_datum_t){(unsigned char *)pem->text, (unsigned)pem->size};
}

/* ---- checking ---- */

static bool read_pem(struct pem *pem, const char *path, const char *option, struct fault *fault)
{
    return file_read(path, FILE_SIZE_MAX, &pem->text, &pem->size, fault) ||
           fault_prefix(fault, "%s", option);
}

/* Does GnuTLS take them, and does the one fit the other? */
static bool check_pair(const struct pem *cert, const struct pem *private_key, struct fault *fault)
{
    gnutls_certificate_credentials_t credentials;
    const gnutls_datum_t cert_text = datum(cert), key_text = datum(private_key);
    if (gnutls_certificate_allocate_credentials(&credentials) != 0)
        return fault_set(fault, 503, "out of memory");
    const int error = gnutls_certificate_set_x509_key_mem(credentials, &cert_text, &key_text,
                                                          GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return error >= 0 ||
           fault_set(fault, 400, "tls_certificate and tls_key: %s", gnutls_strerror(error));
}

static bool check_client_ca(struct fault *fault)
{
    gnutls_certificate_credentials_t credentials;
    const gnutls_datum_t text = datum(&client_ca);
    if (gnutls_certificate_allocate_credentials(&credentials) != 0)
        return fault_set(fault, 503, "out of memory");
    const int count =
        gnutls_certificate_set_x509_trust_mem(credentials, &text, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return count > 0 ||
           fault_set(fault, 400, "tls_client_ca: no certificate is in %s", files.client_ca);
}

/* ---- what is loaded ---- */

bool tls_reload(struct fault *fault)
{
    struct pem new_certificate = {0}, new_key = {0};
    const bool done = read_pem(&new_certificate, files.certificate, "tls_certificate", fault) &&
                      read_pem(&new_key, files.key, "tls_key", fault) &&
                      check_pair(&new_certificate, &new_key, fault);
    if (done) {
        pthread_mutex_lock(&lock);
        const struct pem old_certificate = certificate, old_key = key;
        certificate = new_certificate;
        key = new_key;
        new_certificate = old_certificate;
        new_key = old_key;
        pthread_mutex_unlock(&lock);
    }
    forget(&new_certificate);
    forget(&new_key);
    return done;
}

bool tls_open(const struct tls_files *named, struct fault *fault)
{
    files = *named;
    const bool done =
        tls_reload(fault) &&
        (files.client_ca == NULL ||
         (read_pem(&client_ca, files.client_ca, "tls_client_ca", fault) && check_client_ca(fault)));
    if (!done)
        tls_close();
    return done;
}

void tls_close(void)
{
    forget(&certificate);
    forget(&key);
    forget(&client_ca);
}

/* ---- handshakes ---- */

static int copy_certificate(gnutls_pcert_st **certs, unsigned *count)
{
    const gnutls_datum_t text = datum(&certificate);
    *count = CERTIFICATES_MAX;
    *certs = gnutls_calloc(CERTIFICATES_MAX, sizeof **certs);
    if (*certs == NULL)
        return GNUTLS_E_MEMORY_ERROR;
    const int error =
        gnutls_pcert_list_import_x509_raw(*certs, count, &text, GNUTLS_X509_FMT_PEM, 0);
    if (error < 0) {
        gnutls_free(*certs);
        *certs = NULL;
    }
    return error;
}

static int copy_key(gnutls_privkey_t *copy)
{
    const gnutls_datum_t text = datum(&key);
    int error = gnutls_privkey_init(copy);
    if (error < 0)
        return error;
    error = gnutls_privkey_import_x509_raw(*copy, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (error < 0)
        gnutls_privkey_deinit(*copy);
    return error;
}

static void drop_certificates(gnutls_pcert_st *certs, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        gnutls_pcert_deinit(&certs[i]);
    gnutls_free(certs);
}

/* Copies for each handshake, which GnuTLS frees: those that are under way keep theirs. */
static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                    gnutls_pcert_st **certs, unsigned *count, gnutls_ocsp_data_st **ocsp,
                    unsigned *ocsp_count, gnutls_privkey_t *private_key, unsigned *flags)
{
    (void)session;
    (void)info;
    pthread_mutex_lock(&lock);
    int error = copy_certificate(certs, count);
    if (error >= 0) {
        error = copy_key(private_key);
        if (error < 0)
            drop_certificates(*certs, *count);
    }
    pthread_mutex_unlock(&lock);
    *ocsp = NULL;
    *ocsp_count = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    return error < 0 ? -1 : 0;
}

void *tls_callback(void)
{
    gnutls_certificate_retrieve_function3 *const function = retrieve;
    return (void *)function;
}

char *tls_client_ca(void)
{
    return client_ca.text;
}

bool tls_client_is_known(void *session)
{
    unsigned problems = 0;
    return session != NULL && gnutls_certificate_verify_peers2(session, &problems) == 0 &&
           problems == 0;
}
