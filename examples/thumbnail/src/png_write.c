/* Writes PNG: for each row the filter whose differences are smallest, and the smallest colour type that can hold
 * every pixel. */
#include "thumbnail.h"

#include <stdlib.h>
#include <string.h>

static void big_endian(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void append_chunk(struct bytes *out, const char *type, const uint8_t *content, size_t length)
{
    uint8_t number[4];
    big_endian(number, (uint32_t)length);
    append(out, number, 4);
    size_t start = out->length;
    append(out, type, 4);
    append(out, content, length);
    big_endian(number, crc32(out->data + start, length + 4));
    append(out, number, 4);
}

/* Leaves out what is the same in every pixel: colour, alpha. Returns the number of channels that remain. */
static int pack(uint8_t *to, const uint8_t *rgba, size_t pixels)
{
    bool coloured = false, alpha = false;
    for (size_t i = 0; i < pixels; i++) {
        const uint8_t *pixel = rgba + 4 * i;
        coloured = coloured || pixel[0] != pixel[1] || pixel[0] != pixel[2];
        alpha = alpha || pixel[3] != 255;
    }
    for (size_t i = 0; i < pixels; i++, rgba += 4) {
        *to++ = rgba[0];
        if (coloured) {
            *to++ = rgba[1];
            *to++ = rgba[2];
        }
        if (alpha)
            *to++ = rgba[3];
    }
    return (coloured ? 3 : 1) + alpha;
}

static uint8_t predict(int filter, uint8_t left, uint8_t up, uint8_t corner)
{
    switch (filter) {
    case 1: return left;
    case 2: return up;
    case 3: return (uint8_t)((left + up) / 2);
    case 4: return paeth(left, up, corner);
    default: return 0;
    }
}

/* Filter one row in each of the five ways; keep the one with the least sum of differences. */
static void filter_row(uint8_t *to, const uint8_t *row, const uint8_t *up, size_t length, size_t step, uint8_t *trial)
{
    uint32_t least = UINT32_MAX;
    for (int filter = 0; filter < 5; filter++) {
        uint32_t sum = 0;
        trial[0] = (uint8_t)filter;
        for (size_t i = 0; i < length; i++) {
            uint8_t left = i < step ? 0 : row[i - step], corner = i < step || up == NULL ? 0 : up[i - step];
            uint8_t difference = (uint8_t)(row[i] - predict(filter, left, up == NULL ? 0 : up[i], corner));
            trial[i + 1] = difference;
            sum += difference < 128 ? difference : 256u - difference;
        }
        if (sum < least) {
            least = sum;
            memcpy(to, trial, length + 1);
        }
    }
}

void png_write(struct bytes *out, const uint8_t *rgba, uint32_t width, uint32_t height)
{
    static const uint8_t COLOURS[5] = {0, 0, 4, 2, 6}; /* by number of channels */
    uint8_t *pixels = allocate((size_t)width * height * 4);
    int channels = pack(pixels, rgba, (size_t)width * height);
    size_t row = (size_t)width * (size_t)channels;
    uint8_t *filtered = allocate((row + 1) * height), *trial = allocate(row + 1);
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *here = pixels + row * y;
        filter_row(filtered + (row + 1) * y, here, y == 0 ? NULL : here - row, row, (size_t)channels, trial);
    }
    struct bytes packed = {0};
    deflate(&packed, filtered, (row + 1) * height);

    uint8_t header[13] = {[8] = 8, [9] = COLOURS[channels]};
    big_endian(header, width);
    big_endian(header + 4, height);
    append(out, PNG_SIGNATURE, sizeof PNG_SIGNATURE);
    append_chunk(out, "IHDR", header, sizeof header);
    append_chunk(out, "IDAT", packed.data, packed.length);
    append_chunk(out, "IEND", header, 0);
    free(packed.data);
    free(trial);
    free(filtered);
    free(pixels);
}
