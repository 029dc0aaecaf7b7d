/* An ONNX file's bytes looked through before protobuf-c makes memory of them: the library goes down
 * into messages by calling itself, and takes hundreds of bytes for a message of two. */
#ifndef DEPLOY_CONVERT_ONNX_SCAN_H
#define DEPLOY_CONVERT_ONNX_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/fault.h"

/* Refused (400): what is no message of the schema's wire format, messages in messages deeper than
 * 64, more than 2^20 of them, a message given twice where one is meant, text that is not UTF-8. */
bool onnx_scan(const unsigned char *bytes, size_t size, struct fault *fault);

#endif
