/* fuzz: the entry point that libFuzzer calls for each input, and replay.c for each file of a
 * corpus. Returns 0 always; a finding is an abort. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#endif
