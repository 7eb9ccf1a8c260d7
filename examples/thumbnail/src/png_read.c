/* Reads PNG: all colour types and bit depths, not interlaced, as a stream of rows into the scaler. Only one row, its
 * predecessor and the packed data are ever in memory. Nothing the file says is believed before it is checked. */
#include "thumbnail.h"

#include <stdlib.h>
#include <string.h>

enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6 };

struct reader {
    uint32_t width, height;
    int depth, colour, channels;
    uint8_t palette[256][4];
    int palette_length;
    bool has_key;
    uint16_t key[3]; /* the one colour that is transparent */

    size_t row_length, pixel_length; /* bytes; of a pixel at least one */
    uint8_t *row, *previous;         /* without the filter byte; before each lies a pixel of zeros */
    size_t filled;                   /* of the row and its filter byte */
    uint8_t filter;
    uint32_t rows;
    uint8_t *rgba;
    struct scale *scale;
};

static uint32_t big_endian(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

uint32_t crc32(const uint8_t *data, size_t length)
{
    static uint32_t table[256];
    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
            table[i] = value;
        }
    uint32_t sum = 0xffffffffu;
    while (length-- > 0)
        sum = sum >> 8 ^ table[(sum ^ *data++) & 255];
    return ~sum;
}

uint8_t paeth(uint8_t left, uint8_t up, uint8_t corner)
{
    int from_left = abs(up - corner), from_up = abs(left - corner), from_corner = abs(left + up - 2 * corner);
    if (from_left <= from_up && from_left <= from_corner)
        return left;
    return from_up <= from_corner ? up : corner;
}

/* Chunks */

static void read_header(struct reader *reader, const uint8_t *data, size_t length)
{
    if (length != 13)
        fail("the picture's header has the wrong length");
    reader->width = big_endian(data);
    reader->height = big_endian(data + 4);
    reader->depth = data[8];
    reader->colour = data[9];
    if (reader->width == 0 || reader->height == 0)
        fail("the picture has no pixels");
    if (reader->width > SIDE_MAX || reader->height > SIDE_MAX || reader->width * reader->height > PIXELS_MAX)
        fail("the picture has too many pixels (at most 16384 a side and 40 million in all)");
    switch (reader->colour) {
    case GRAY: case PALETTE: reader->channels = 1; break;
    case GRAY_ALPHA: reader->channels = 2; break;
    case RGB: reader->channels = 3; break;
    case RGB_ALPHA: reader->channels = 4; break;
    default: fail("the picture has an unknown colour type");
    }
    bool small = reader->depth == 1 || reader->depth == 2 || reader->depth == 4;
    bool wide = reader->depth == 16 && reader->colour != PALETTE;
    if (reader->depth != 8 && !wide && !(small && (reader->colour == GRAY || reader->colour == PALETTE)))
        fail("the picture has a bit depth that its colour type forbids");
    if (data[10] != 0 || data[11] != 0)
        fail("the picture uses an unknown compression or filter method");
    if (data[12] != 0)
        fail("interlaced pictures are not read; save it without interlacing");
}

static void read_palette(struct reader *reader, const uint8_t *data, size_t length)
{
    if (reader->palette_length != 0 || length == 0 || length > 768 || length % 3 != 0)
        fail("the picture's palette is damaged");
    reader->palette_length = (int)(length / 3);
    for (int i = 0; i < reader->palette_length; i++) {
        memcpy(reader->palette[i], data + 3 * i, 3);
        reader->palette[i][3] = 255;
    }
}

static void read_transparency(struct reader *reader, const uint8_t *data, size_t length)
{
    if (reader->colour == PALETTE) {
        if (length > (size_t)reader->palette_length)
            fail("the picture's transparency is damaged");
        for (size_t i = 0; i < length; i++)
            reader->palette[i][3] = data[i];
    } else if (reader->colour == GRAY || reader->colour == RGB) {
        if (length != 2 * (size_t)reader->channels)
            fail("the picture's transparency is damaged");
        for (int i = 0; i < reader->channels; i++)
            reader->key[i] = (uint16_t)(data[2 * i] << 8 | data[2 * i + 1]);
        reader->has_key = true;
    }
}

/* Moves the content of all IDAT chunks to the front of `data`, reads the others; returns how much IDAT there is. */
static size_t read_chunks(struct reader *reader, uint8_t *data, size_t length)
{
    size_t packed = 0, at = sizeof PNG_SIGNATURE;
    bool first = true, data_over = false;
    for (;; first = false) {
        if (length - at < 12 || big_endian(data + at) > length - at - 12)
            fail("the picture ends too early");
        size_t size = big_endian(data + at);
        const uint8_t *type = data + at + 4, *content = data + at + 8;
        if (crc32(type, size + 4) != big_endian(content + size))
            fail("the picture is damaged: a checksum is wrong");
        bool is_data = memcmp(type, "IDAT", 4) == 0;
        if (first != (memcmp(type, "IHDR", 4) == 0))
            fail("the picture's header is not in its place");
        if (first) {
            read_header(reader, content, size);
        } else if (is_data) {
            if (data_over)
                fail("the picture's data is not in one piece");
            memmove(data + packed, content, size);
            packed += size;
        } else if (memcmp(type, "IEND", 4) == 0) {
            return packed;
        } else if (memcmp(type, "PLTE", 4) == 0) {
            read_palette(reader, content, size);
        } else if (memcmp(type, "tRNS", 4) == 0) {
            read_transparency(reader, content, size);
        } else if ((type[0] & 32) == 0) {
            fail("the picture has a critical chunk of unknown type");
        }
        data_over = data_over || (!is_data && packed > 0);
        at += size + 12;
    }
}

/* Rows */

static void unfilter(const struct reader *reader)
{
    uint8_t *row = reader->row;
    const uint8_t *up = reader->previous, *left = row - reader->pixel_length, *corner = up - reader->pixel_length;
    size_t length = reader->row_length;
    switch (reader->filter) {
    case 0:
        break;
    case 1:
        for (size_t i = 0; i < length; i++)
            row[i] += left[i];
        break;
    case 2:
        for (size_t i = 0; i < length; i++)
            row[i] += up[i];
        break;
    case 3:
        for (size_t i = 0; i < length; i++)
            row[i] += (uint8_t)((left[i] + up[i]) / 2);
        break;
    case 4:
        for (size_t i = 0; i < length; i++)
            row[i] += paeth(left[i], up[i], corner[i]);
        break;
    default:
        fail("the picture uses an unknown filter");
    }
}

static uint32_t sample(const struct reader *reader, size_t index)
{
    const uint8_t *row = reader->row;
    if (reader->depth == 8)
        return row[index];
    if (reader->depth == 16)
        return (uint32_t)row[2 * index] << 8 | row[2 * index + 1];
    size_t bit = index * (size_t)reader->depth;
    return (uint32_t)row[bit / 8] >> (8 - (int)(bit % 8) - reader->depth) & ((1u << reader->depth) - 1);
}

static uint8_t eight_bits(uint32_t value, int depth)
{
    return (uint8_t)(depth == 16 ? value >> 8 : value * 255 / ((1u << depth) - 1));
}

static void expand(const struct reader *reader, uint32_t x, uint8_t *rgba)
{
    uint32_t samples[4];
    bool is_key = reader->has_key;
    for (int i = 0; i < reader->channels; i++) {
        samples[i] = sample(reader, (size_t)x * (size_t)reader->channels + (size_t)i);
        is_key = is_key && samples[i] == reader->key[i];
    }
    if (reader->colour == PALETTE) {
        if (samples[0] >= (uint32_t)reader->palette_length)
            fail("the picture uses a colour that its palette does not have");
        memcpy(rgba, reader->palette[samples[0]], 4);
        return;
    }
    bool coloured = (reader->colour & RGB) != 0, alpha = (reader->colour & GRAY_ALPHA) != 0;
    for (int i = 0; i < 3; i++)
        rgba[i] = eight_bits(samples[coloured ? i : 0], reader->depth);
    rgba[3] = alpha ? eight_bits(samples[reader->channels - 1], reader->depth) : is_key ? 0 : 255;
}

static void take_row(struct reader *reader)
{
    unfilter(reader);
    for (uint32_t x = 0; x < reader->width; x++)
        expand(reader, x, reader->rgba + 4 * (size_t)x);
    scale_row(reader->scale, reader->rgba);
    uint8_t *previous = reader->previous;
    reader->previous = reader->row;
    reader->row = previous;
    reader->filled = 0;
    reader->rows++;
}

static void take_bytes(void *context, const uint8_t *piece, size_t length)
{
    struct reader *reader = context;
    while (length > 0) {
        if (reader->rows == reader->height)
            fail("the picture has more data than its header says");
        if (reader->filled == 0) {
            reader->filter = *piece++;
            reader->filled = 1;
            length--;
        }
        size_t room = reader->row_length + 1 - reader->filled, taken = length < room ? length : room;
        memcpy(reader->row + reader->filled - 1, piece, taken);
        reader->filled += taken;
        piece += taken;
        length -= taken;
        if (reader->filled == reader->row_length + 1)
            take_row(reader);
    }
}

static uint8_t *new_row(const struct reader *reader)
{
    size_t size = reader->pixel_length + reader->row_length;
    return (uint8_t *)memset(allocate(size), 0, size) + reader->pixel_length;
}

void png_read(uint8_t *data, size_t length, uint32_t width, uint32_t height, struct scale *scale)
{
    struct reader reader = {.scale = scale};
    if (length < sizeof PNG_SIGNATURE || memcmp(data, PNG_SIGNATURE, sizeof PNG_SIGNATURE) != 0)
        fail("this is no PNG picture");
    size_t packed = read_chunks(&reader, data, length);
    if (packed == 0)
        fail("the picture has no data");
    if (reader.colour == PALETTE && reader.palette_length == 0)
        fail("the picture has no palette");
    size_t bits = (size_t)reader.channels * (size_t)reader.depth;
    reader.row_length = (reader.width * bits + 7) / 8;
    reader.pixel_length = bits < 8 ? 1 : bits / 8;
    reader.row = new_row(&reader);
    reader.previous = new_row(&reader);
    reader.rgba = allocate((size_t)reader.width * 4);
    scale_start(scale, reader.width, reader.height, width, height);
    inflate(data, packed, take_bytes, &reader);
    if (reader.rows != reader.height)
        fail("the picture has less data than its header says");
}
