/* Unpacks zlib streams (RFC 1950) of DEFLATE data (RFC 1951). The input may be anything: each read is checked. */
#include "thumbnail.h"

#include <string.h>

enum { FAST_BITS = 10, LENGTH_MAX = 15, WINDOW = 32768 };

struct input {
    const uint8_t *at, *end;
    uint32_t held; /* bits that were read and not used, the next one lowest */
    int count;     /* of them */
};

struct output {
    uint8_t window[2 * WINDOW];
    size_t length, taken; /* of window: filled, and handed over */
    uint32_t sum;
    taker *take;
    void *context;
};

/* A canonical Huffman code: short codes are looked up, long ones found by counting. */
struct code {
    uint16_t fast[1 << FAST_BITS]; /* symbol << 4 | length, 0 where the code is longer or does not exist */
    uint16_t count[LENGTH_MAX + 1];
    uint16_t symbols[288];
};

static _Noreturn void damaged(void) { fail("the picture's compressed data is damaged"); }

static uint32_t bits(struct input *in, int count)
{
    while (in->count < count) {
        if (in->at == in->end)
            fail("the picture's compressed data ends too early");
        in->held |= (uint32_t)*in->at++ << in->count;
        in->count += 8;
    }
    uint32_t value = in->held & ((1u << count) - 1);
    in->held >>= count;
    in->count -= count;
    return value;
}

/* Refuses lengths that promise too many words, or too few: a code may be incomplete only where `single_allowed`,
 * and then only with one word or none. */
static void code_from_lengths(struct code *code, const uint8_t *lengths, int symbols, bool single_allowed)
{
    uint16_t next[LENGTH_MAX + 2] = {0}, word[LENGTH_MAX + 2] = {0};
    memset(code, 0, sizeof *code);
    for (int i = 0; i < symbols; i++)
        code->count[lengths[i]]++;
    int used = symbols - code->count[0];
    code->count[0] = 0;
    int free_words = 1;
    for (int length = 1; length <= LENGTH_MAX; length++) {
        free_words = 2 * free_words - code->count[length];
        if (free_words < 0)
            damaged();
        next[length + 1] = (uint16_t)(next[length] + code->count[length]);
        word[length + 1] = (uint16_t)((word[length] + code->count[length]) << 1);
    }
    if (free_words > 0 && !(single_allowed && (used == 0 || (used == 1 && code->count[1] == 1))))
        damaged();
    for (int i = 0; i < symbols; i++) {
        int length = lengths[i];
        if (length == 0)
            continue;
        code->symbols[next[length]++] = (uint16_t)i;
        uint32_t forward = word[length]++, backward = 0;
        if (length > FAST_BITS)
            continue;
        for (int bit = 0; bit < length; bit++)
            backward |= (forward >> bit & 1) << (length - 1 - bit);
        for (; backward < 1 << FAST_BITS; backward += 1u << length)
            code->fast[backward] = (uint16_t)(i << 4 | length);
    }
}

static int symbol(struct input *in, const struct code *code)
{
    while (in->count < FAST_BITS && in->at < in->end) {
        in->held |= (uint32_t)*in->at++ << in->count;
        in->count += 8;
    }
    uint16_t entry = code->fast[in->held & ((1 << FAST_BITS) - 1)];
    if (entry != 0 && (entry & 15) <= in->count) {
        in->held >>= entry & 15;
        in->count -= entry & 15;
        return entry >> 4;
    }
    int word = 0, first = 0, index = 0;
    for (int length = 1; length <= LENGTH_MAX; length++) {
        word |= (int)bits(in, 1);
        int count = code->count[length];
        if (word - first < count)
            return code->symbols[index + word - first];
        index += count;
        first = (first + count) << 1;
        word <<= 1;
    }
    damaged();
}

static void hand_over(struct output *out)
{
    const uint8_t *piece = out->window + out->taken;
    size_t length = out->length - out->taken;
    out->sum = adler32(out->sum, piece, length);
    out->take(out->context, piece, length);
    out->taken = out->length;
}

static void put(struct output *out, uint8_t byte)
{
    if (out->length == sizeof out->window) {
        hand_over(out);
        memcpy(out->window, out->window + WINDOW, WINDOW);
        out->length = out->taken = WINDOW;
    }
    out->window[out->length++] = byte;
}

static void copy(struct output *out, size_t distance, int length)
{
    if (distance > out->length)
        damaged();
    while (length-- > 0) {
        /* Read before put(): when put() slides the window, the byte has already been fetched. */
        uint8_t byte = out->window[out->length - distance];
        put(out, byte);
    }
}

static void stored_block(struct input *in, struct output *out)
{
    bits(in, in->count & 7);
    uint32_t length = bits(in, 16), inverse = bits(in, 16);
    if (length != (inverse ^ 0xffff))
        damaged();
    while (length-- > 0)
        put(out, (uint8_t)bits(in, 8));
}

static void coded_block(struct input *in, struct output *out, const struct code *literals,
                        const struct code *distances)
{
    static const uint16_t LENGTHS[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t LENGTH_BITS[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                            2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t DISTANCES[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,
                                           33,  49,  65,  97,  129, 193,  257,  385,  513,  769,
                                           1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    for (;;) {
        int value = symbol(in, literals);
        if (value < 256) {
            put(out, (uint8_t)value);
            continue;
        }
        if (value == 256)
            return;
        if (value > 285)
            damaged();
        int length = LENGTHS[value - 257] + (int)bits(in, LENGTH_BITS[value - 257]);
        int which = symbol(in, distances);
        if (which > 29)
            damaged();
        copy(out, DISTANCES[which] + bits(in, which < 4 ? 0 : which / 2 - 1), length);
    }
}

static void dynamic_block(struct input *in, struct output *out)
{
    static const uint8_t ORDER[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    static struct code literals, distances;
    uint8_t lengths[320] = {0};
    int literal_count = 257 + (int)bits(in, 5), distance_count = 1 + (int)bits(in, 5);
    int order_count = 4 + (int)bits(in, 4);
    if (literal_count > 286 || distance_count > 30)
        damaged();
    for (int i = 0; i < order_count; i++)
        lengths[ORDER[i]] = (uint8_t)bits(in, 3);
    code_from_lengths(&literals, lengths, 19, false);
    memset(lengths, 0, sizeof lengths);
    for (int i = 0; i < literal_count + distance_count;) {
        int value = symbol(in, &literals), again = 1;
        if (value == 16) {
            if (i == 0)
                damaged();
            value = lengths[i - 1];
            again = 3 + (int)bits(in, 2);
        } else if (value > 16) {
            again = value == 17 ? 3 + (int)bits(in, 3) : 11 + (int)bits(in, 7);
            value = 0;
        }
        if (again > literal_count + distance_count - i)
            damaged();
        while (again-- > 0)
            lengths[i++] = (uint8_t)value;
    }
    if (lengths[256] == 0)
        damaged();
    code_from_lengths(&literals, lengths, literal_count, true);
    code_from_lengths(&distances, lengths + literal_count, distance_count, true);
    coded_block(in, out, &literals, &distances);
}

static void fixed_block(struct input *in, struct output *out)
{
    static struct code literals, distances;
    uint8_t lengths[288];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    code_from_lengths(&literals, lengths, 288, false);
    memset(lengths, 5, 32);
    code_from_lengths(&distances, lengths, 32, false);
    coded_block(in, out, &literals, &distances);
}

void inflate(const uint8_t *data, size_t length, taker *take, void *context)
{
    static struct output out;
    struct input in = {data, data + length, 0, 0};
    out.length = out.taken = 0;
    out.sum = 1;
    out.take = take;
    out.context = context;
    uint32_t method = bits(&in, 8), flags = bits(&in, 8);
    if ((method & 15) != 8 || method >> 4 > 7 || (method << 8 | flags) % 31 != 0 || (flags & 32) != 0)
        damaged();
    for (bool last = false; !last;) {
        last = bits(&in, 1) == 1;
        switch (bits(&in, 2)) {
        case 0: stored_block(&in, &out); break;
        case 1: fixed_block(&in, &out); break;
        case 2: dynamic_block(&in, &out); break;
        default: damaged();
        }
    }
    hand_over(&out);
    bits(&in, in.count & 7);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum = sum << 8 | bits(&in, 8);
    if (sum != out.sum)
        damaged();
}

uint32_t adler32(uint32_t sum, const uint8_t *data, size_t length)
{
    uint32_t low = sum & 0xffff, high = sum >> 16;
    while (length > 0) {
        /* 5552 bytes are the most before `high` could pass 32 bits. */
        size_t piece = length < 5552 ? length : 5552;
        length -= piece;
        while (piece-- > 0) {
            low += *data++;
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    return high << 16 | low;
}
