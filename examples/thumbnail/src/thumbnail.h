/* What the parts of the thumbnail program share. Every part ends the program by fail() on bad input, so that no
 * function here returns an error, and none has to be checked. */
#ifndef THUMBNAIL_H
#define THUMBNAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    INPUT_MAX = 8 << 20,       /* bytes of the picture that is read */
    SIDE_MAX = 16384,          /* pixels of its width or height */
    PIXELS_MAX = 40 << 20,     /* its width times its height */
    THUMBNAIL_SIDE_MAX = 1024, /* pixels of the width or height of what is written */
};

/* main.c */

/* Say "thumbnail: <sentence>" on stderr and end with exit code 1. */
_Noreturn void fail(const char *sentence);

/* malloc that fails by fail(). */
void *allocate(size_t size);

struct bytes {
    uint8_t *data;
    size_t length, room;
};

void append(struct bytes *bytes, const void *data, size_t length);

/* inflate.c: zlib streams, RFC 1950 and 1951 */

/* Takes the next piece of the output. */
typedef void taker(void *context, const uint8_t *piece, size_t length);

/* Unpack the zlib stream `data`, handing the output to `take` piece by piece. */
void inflate(const uint8_t *data, size_t length, taker *take, void *context);

/* Adler-32 of `data`, continued from `sum`; 1 starts. */
uint32_t adler32(uint32_t sum, const uint8_t *data, size_t length);

/* deflate.c: the other direction, with dynamic or fixed Huffman codes */

/* Append `data` to `out` as a zlib stream. */
void deflate(struct bytes *out, const uint8_t *data, size_t length);

/* scale.c: area averaging */

struct scale {
    uint32_t from_width, from_height, width, height;
    uint32_t rows_taken, rows_done;
    uint64_t *across; /* the last row, averaged across: width * 4 sums */
    uint64_t *sums;   /* the row being made: width * 4 sums */
    uint8_t *pixels;  /* RGBA, width * height * 4, complete once all rows are taken */
};

/* `width` and `height` are limits, 0 where there is none; the ratio of the sides is kept. */
void scale_start(struct scale *scale, uint32_t from_width, uint32_t from_height, uint32_t width, uint32_t height);

/* The next row of the picture, from_width * 4 bytes of RGBA. To be called from_height times. */
void scale_row(struct scale *scale, const uint8_t *rgba);

/* png_read.c, png_write.c: PNG, second edition (ISO/IEC 15948) */

/* Read the picture `data` (which is overwritten) and scale it within `width` and `height`. */
void png_read(uint8_t *data, size_t length, uint32_t width, uint32_t height, struct scale *scale);

/* Append the picture as PNG, in the smallest colour type that can hold it. */
void png_write(struct bytes *out, const uint8_t *rgba, uint32_t width, uint32_t height);

/* CRC-32 of a chunk. */
uint32_t crc32(const uint8_t *data, size_t length);

/* The prediction that is nearest to left + up - corner: filter type 4. */
uint8_t paeth(uint8_t left, uint8_t up, uint8_t corner);

static const uint8_t PNG_SIGNATURE[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

#endif
