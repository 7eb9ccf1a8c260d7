/* Packs zlib streams (RFC 1950, 1951): LZ77 with hash chains and lazy matching, each block in its own Huffman
 * codes or in the fixed ones, whichever is smaller. Trusts its input: it is our own. */
#include "thumbnail.h"

#include <stdlib.h>
#include <string.h>

enum {
    MATCH_MIN = 3,
    MATCH_MAX = 258,
    WINDOW = 32768,
    HASH_SIZE = 1 << 14,
    CHAIN_MAX = 128, /* candidates that are tried for one match */
    GOOD_MATCH = 32, /* long enough not to look whether the next byte starts a longer one */
    BLOCK = 16384,   /* tokens of one block */
    LITERALS = 286,
    DISTANCES = 30,
};

static const uint8_t ORDER[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

struct writer {
    struct bytes *out;
    uint32_t held;
    int count;
};

/* Token: a byte, or length << 16 | distance. */
struct block {
    uint32_t tokens[BLOCK];
    int length;
    uint32_t literals[LITERALS], distances[DISTANCES]; /* how often each symbol occurs */
};

struct code {
    uint8_t lengths[288];
    uint16_t words[288]; /* bits reversed: ready to be written lowest bit first */
};

static void put_bits(struct writer *writer, uint32_t value, int count)
{
    writer->held |= value << writer->count;
    writer->count += count;
    while (writer->count >= 8) {
        uint8_t byte = (uint8_t)writer->held;
        append(writer->out, &byte, 1);
        writer->held >>= 8;
        writer->count -= 8;
    }
}

/* Length and distance codes (RFC 1951, 3.2.5) split a number into a symbol and extra bits. */
struct split {
    int symbol, extra_count;
    uint32_t extra;
};

static struct split split_length(uint32_t length)
{
    if (length == MATCH_MAX)
        return (struct split){285, 0, 0};
    uint32_t number = length - MATCH_MIN;
    if (number < 8)
        return (struct split){257 + (int)number, 0, 0};
    int count = 29 - __builtin_clz(number);
    return (struct split){257 + 4 * count + (int)(number >> count), count, number & ((1u << count) - 1)};
}

static struct split split_distance(uint32_t distance)
{
    uint32_t number = distance - 1;
    if (number < 4)
        return (struct split){(int)number, 0, 0};
    int count = 30 - __builtin_clz(number);
    return (struct split){2 * count + (int)(number >> count), count, number & ((1u << count) - 1)};
}

/* Huffman's algorithm; where a word gets longer than `longest`, again with flatter frequencies. */
static void code_lengths(uint8_t *lengths, const uint32_t *frequencies, int symbols, int longest)
{
    static uint32_t weight[2 * 288];
    static int parent[2 * 288];
    for (int flatter = 0;; flatter++) {
        int nodes = symbols, alive = 0, deepest = 0;
        for (int i = 0; i < symbols; i++) {
            weight[i] = frequencies[i] >> flatter;
            if (weight[i] == 0 && frequencies[i] != 0)
                weight[i] = 1;
            alive += weight[i] != 0;
        }
        for (; alive > 1; alive--) {
            int low = -1, next = -1;
            for (int i = 0; i < nodes; i++) {
                if (weight[i] == 0)
                    continue;
                if (low < 0 || weight[i] < weight[low]) {
                    next = low;
                    low = i;
                } else if (next < 0 || weight[i] < weight[next]) {
                    next = i;
                }
            }
            weight[nodes] = weight[low] + weight[next];
            weight[low] = weight[next] = 0;
            parent[low] = parent[next] = nodes++;
        }
        for (int i = 0; i < symbols; i++) {
            int depth = 0;
            for (int node = i; frequencies[i] != 0 && node != nodes - 1; node = parent[node])
                depth++;
            lengths[i] = (uint8_t)depth;
            if (depth > deepest)
                deepest = depth;
        }
        if (deepest <= longest)
            return;
    }
}

static void words_from_lengths(struct code *code, int symbols)
{
    uint32_t word = 0;
    for (int length = 1; length <= 15; length++, word <<= 1)
        for (int i = 0; i < symbols; i++) {
            if (code->lengths[i] != length)
                continue;
            uint32_t backward = 0;
            for (int bit = 0; bit < length; bit++)
                backward |= (word >> bit & 1) << (length - 1 - bit);
            code->words[i] = (uint16_t)backward;
            word++;
        }
}

static void fixed_codes(struct code *literals, struct code *distances)
{
    memset(literals->lengths, 8, 144);
    memset(literals->lengths + 144, 9, 112);
    memset(literals->lengths + 256, 7, 24);
    memset(literals->lengths + 280, 8, 8);
    memset(distances->lengths, 5, 30);
    words_from_lengths(literals, 288);
    words_from_lengths(distances, 30);
}

/* A code of fewer than two words is legal and yet misread by some: let there be two. */
static void at_least_two(uint32_t *frequencies, int symbols)
{
    int used = 0;
    for (int i = 0; i < symbols; i++)
        used += frequencies[i] != 0;
    for (int i = 0; used < 2; i++)
        if (frequencies[i] == 0) {
            frequencies[i] = 1;
            used++;
        }
}

/* The description of two codes: run-length coded lengths, and the code for those. */
struct header {
    uint8_t symbols[LITERALS + DISTANCES], extra[LITERALS + DISTANCES];
    int length, literal_count, distance_count, order_count;
    struct code code;
};

static int extra_bits_of(int symbol) { return symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7; }

static void describe(struct header *header, const struct code *literals, const struct code *distances)
{
    uint8_t lengths[LITERALS + DISTANCES];
    uint32_t frequencies[19] = {0};
    header->literal_count = LITERALS;
    while (literals->lengths[header->literal_count - 1] == 0)
        header->literal_count--;
    header->distance_count = DISTANCES;
    while (header->distance_count > 1 && distances->lengths[header->distance_count - 1] == 0)
        header->distance_count--;
    int count = header->literal_count + header->distance_count;
    memcpy(lengths, literals->lengths, (size_t)header->literal_count);
    memcpy(lengths + header->literal_count, distances->lengths, (size_t)header->distance_count);

    header->length = 0;
    for (int i = 0; i < count;) {
        int run = 1;
        while (i + run < count && lengths[i + run] == lengths[i])
            run++;
        int symbol = lengths[i], extra = 0;
        if (lengths[i] == 0 && run >= 3) {
            run = run > 138 ? 138 : run;
            symbol = run < 11 ? 17 : 18;
            extra = run - (run < 11 ? 3 : 11);
        } else if (i > 0 && lengths[i] == lengths[i - 1] && run >= 3) {
            run = run > 6 ? 6 : run;
            symbol = 16;
            extra = run - 3;
        } else {
            run = 1;
        }
        header->symbols[header->length] = (uint8_t)symbol;
        header->extra[header->length++] = (uint8_t)extra;
        frequencies[symbol]++;
        i += run;
    }
    at_least_two(frequencies, 19);
    code_lengths(header->code.lengths, frequencies, 19, 7);
    words_from_lengths(&header->code, 19);
    header->order_count = 19;
    while (header->code.lengths[ORDER[header->order_count - 1]] == 0)
        header->order_count--;
}

static void put_header(struct writer *writer, const struct header *header)
{
    put_bits(writer, (uint32_t)header->literal_count - 257, 5);
    put_bits(writer, (uint32_t)header->distance_count - 1, 5);
    put_bits(writer, (uint32_t)header->order_count - 4, 4);
    for (int i = 0; i < header->order_count; i++)
        put_bits(writer, header->code.lengths[ORDER[i]], 3);
    for (int i = 0; i < header->length; i++) {
        int symbol = header->symbols[i];
        put_bits(writer, header->code.words[symbol], header->code.lengths[symbol]);
        put_bits(writer, header->extra[i], extra_bits_of(symbol));
    }
}

static uint32_t header_size(const struct header *header)
{
    uint32_t size = 14 + 3 * (uint32_t)header->order_count;
    for (int i = 0; i < header->length; i++)
        size += (uint32_t)(header->code.lengths[header->symbols[i]] + extra_bits_of(header->symbols[i]));
    return size;
}

/* Bits of the block's symbols; extra bits are the same in every code and left out. */
static uint32_t body_size(const struct block *block, const struct code *literals, const struct code *distances)
{
    uint32_t size = 0;
    for (int i = 0; i < LITERALS; i++)
        size += block->literals[i] * literals->lengths[i];
    for (int i = 0; i < DISTANCES; i++)
        size += block->distances[i] * distances->lengths[i];
    return size;
}

static void put_token(struct writer *writer, uint32_t token, const struct code *literals, const struct code *distances)
{
    if (token < 256) {
        put_bits(writer, literals->words[token], literals->lengths[token]);
        return;
    }
    struct split length = split_length(token >> 16), distance = split_distance(token & 0xffff);
    put_bits(writer, literals->words[length.symbol], literals->lengths[length.symbol]);
    put_bits(writer, length.extra, length.extra_count);
    put_bits(writer, distances->words[distance.symbol], distances->lengths[distance.symbol]);
    put_bits(writer, distance.extra, distance.extra_count);
}

static void put_block(struct writer *writer, struct block *block, bool last)
{
    static struct code literals, distances, fixed_literals, fixed_distances;
    static struct header header;
    block->literals[256] = 1;
    fixed_codes(&fixed_literals, &fixed_distances);
    uint32_t fixed = body_size(block, &fixed_literals, &fixed_distances);
    at_least_two(block->literals, LITERALS);
    at_least_two(block->distances, DISTANCES);
    code_lengths(literals.lengths, block->literals, LITERALS, 15);
    code_lengths(distances.lengths, block->distances, DISTANCES, 15);
    words_from_lengths(&literals, LITERALS);
    words_from_lengths(&distances, DISTANCES);
    describe(&header, &literals, &distances);
    bool dynamic = header_size(&header) + body_size(block, &literals, &distances) < fixed;

    put_bits(writer, last, 1);
    put_bits(writer, dynamic ? 2 : 1, 2);
    if (dynamic)
        put_header(writer, &header);
    const struct code *words = dynamic ? &literals : &fixed_literals;
    const struct code *far = dynamic ? &distances : &fixed_distances;
    for (int i = 0; i < block->length; i++)
        put_token(writer, block->tokens[i], words, far);
    put_bits(writer, words->words[256], words->lengths[256]);
    memset(block, 0, sizeof *block);
}

static void add(struct writer *writer, struct block *block, uint32_t token)
{
    if (block->length == BLOCK)
        put_block(writer, block, false);
    block->tokens[block->length++] = token;
    if (token < 256) {
        block->literals[token]++;
    } else {
        block->literals[split_length(token >> 16).symbol]++;
        block->distances[split_distance(token & 0xffff).symbol]++;
    }
}

/* Where in `data` three bytes have been seen: chains of positions plus one, latest first. */
struct seen {
    const uint8_t *data;
    size_t length;
    uint32_t heads[HASH_SIZE];
    uint32_t before[WINDOW];
};

static uint32_t *head_of(struct seen *seen, size_t at)
{
    const uint8_t *data = seen->data + at;
    uint32_t key = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    return &seen->heads[key * 2654435761u >> 18];
}

static void remember(struct seen *seen, size_t at)
{
    if (seen->length - at < MATCH_MIN)
        return;
    uint32_t *head = head_of(seen, at);
    seen->before[at % WINDOW] = *head;
    *head = (uint32_t)at + 1;
}

/* The longest match at `at`, the nearest of equals, as a token; 0 if there is none. */
static uint32_t longest_match(struct seen *seen, size_t at)
{
    size_t room = seen->length - at, best = MATCH_MIN - 1, distance = 0;
    if (room < MATCH_MIN)
        return 0;
    if (room > MATCH_MAX)
        room = MATCH_MAX;
    const uint8_t *here = seen->data + at;
    uint32_t candidate = *head_of(seen, at);
    for (int tries = 0; candidate != 0 && tries < CHAIN_MAX && best < room; tries++) {
        size_t from = candidate - 1, length = 0;
        if (from >= at || at - from >= WINDOW)
            break;
        /* Only what also agrees where the best match ended can be longer. */
        if (here[best] == seen->data[from + best])
            while (length < room && here[length] == seen->data[from + length])
                length++;
        if (length > best) {
            best = length;
            distance = at - from;
        }
        candidate = seen->before[from % WINDOW];
    }
    /* Three bytes from far away cost more than three literals. */
    if (distance == 0 || (best == MATCH_MIN && distance > 4096))
        return 0;
    return (uint32_t)best << 16 | (uint32_t)distance;
}

void deflate(struct bytes *out, const uint8_t *data, size_t length)
{
    struct writer writer = {out, 0, 0};
    struct block *block = allocate(sizeof *block);
    struct seen *seen = allocate(sizeof *seen);
    memset(block, 0, sizeof *block);
    memset(seen, 0, sizeof *seen);
    seen->data = data;
    seen->length = length;
    append(out, "\x78\xda", 2);
    uint32_t match = 0;
    for (size_t at = 0; at < length;) {
        if (match == 0)
            match = longest_match(seen, at);
        remember(seen, at);
        uint32_t later = match >> 16 < GOOD_MATCH && at + 1 < length ? longest_match(seen, at + 1) : 0;
        if (match == 0 || later >> 16 > match >> 16) {
            add(&writer, block, data[at++]);
            match = later;
            continue;
        }
        add(&writer, block, match);
        for (size_t end = at + (match >> 16); ++at < end;)
            remember(seen, at);
        match = 0;
    }
    put_block(&writer, block, true);
    put_bits(&writer, 0, 7);
    free(seen);
    free(block);
    uint32_t sum = adler32(1, data, length);
    append(out, (uint8_t[]){(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8), (uint8_t)sum}, 4);
}
