/* Area averaging in whole numbers. A row of n source pixels that becomes m is cut into n * m equal pieces: a source
 * pixel is m pieces wide, a target pixel n. What a source pixel gives a target pixel is the number of pieces
 * they share, so the average is exact, and rounded once, at the end. Colours are weighted by their alpha. */
#include "thumbnail.h"

#include <string.h>

static uint32_t in_ratio(uint32_t side, uint32_t of, uint32_t other)
{
    uint64_t rounded = ((uint64_t)side * other + of / 2) / of;
    return rounded == 0 ? 1 : rounded > UINT32_MAX ? UINT32_MAX : (uint32_t)rounded;
}

static uint64_t *sums(uint32_t width)
{
    size_t size = (size_t)width * 4 * sizeof(uint64_t);
    return memset(allocate(size), 0, size);
}

void scale_start(struct scale *scale, uint32_t from_width, uint32_t from_height, uint32_t width, uint32_t height)
{
    bool by_width = height == 0 || (width != 0 && (uint64_t)width * from_height <= (uint64_t)height * from_width);
    if (by_width)
        height = in_ratio(width, from_width, from_height);
    else
        width = in_ratio(height, from_height, from_width);
    if (width > THUMBNAIL_SIDE_MAX || height > THUMBNAIL_SIDE_MAX)
        fail("the thumbnail would be longer than 1024 pixels; give both --width and --height");
    *scale = (struct scale){.from_width = from_width, .from_height = from_height, .width = width, .height = height};
    scale->across = sums(width);
    scale->sums = sums(width);
    scale->pixels = allocate((size_t)width * height * 4);
}

/* Adds one source row into scale->across, the weights being pieces. */
static void average_across(struct scale *scale, const uint8_t *rgba)
{
    uint64_t *to = scale->across;
    memset(to, 0, (size_t)scale->width * 4 * sizeof *to);
    uint32_t left = scale->from_width; /* pieces of the target pixel that are not covered yet */
    for (uint32_t x = 0; x < scale->from_width; x++, rgba += 4) {
        uint64_t alpha = rgba[3];
        for (uint32_t pieces = scale->width; pieces > 0;) {
            uint32_t shared = pieces < left ? pieces : left;
            to[0] += shared * alpha * rgba[0];
            to[1] += shared * alpha * rgba[1];
            to[2] += shared * alpha * rgba[2];
            to[3] += shared * alpha;
            pieces -= shared;
            left -= shared;
            if (left == 0) {
                left = scale->from_width;
                to += 4;
            }
        }
    }
}

static void finish_row(struct scale *scale)
{
    uint8_t *to = scale->pixels + (size_t)scale->rows_done * scale->width * 4;
    uint64_t area = (uint64_t)scale->from_width * scale->from_height;
    const uint64_t *sums = scale->sums;
    for (uint32_t x = 0; x < scale->width; x++, sums += 4, to += 4) {
        uint64_t alpha = sums[3];
        for (int channel = 0; channel < 3; channel++)
            to[channel] = (uint8_t)(alpha == 0 ? 0 : (sums[channel] + alpha / 2) / alpha);
        to[3] = (uint8_t)((alpha + area / 2) / area);
    }
    memset(scale->sums, 0, (size_t)scale->width * 4 * sizeof *scale->sums);
    scale->rows_done++;
}

void scale_row(struct scale *scale, const uint8_t *rgba)
{
    average_across(scale, rgba);
    uint64_t begin = (uint64_t)scale->rows_taken++ * scale->height, end = begin + scale->height;
    while (begin < end) {
        uint64_t border = (uint64_t)(scale->rows_done + 1) * scale->from_height;
        uint64_t shared = (end < border ? end : border) - begin;
        for (size_t i = 0; i < (size_t)scale->width * 4; i++)
            scale->sums[i] += shared * scale->across[i];
        begin += shared;
        if (begin == border)
            finish_row(scale);
    }
}
