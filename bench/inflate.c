#include "inflate.h"

#include <string.h>

#define LONGEST_CODE 15

struct input {
    const unsigned char *at, *end;
    int tail; /* how many of the four bytes that the sender left off were read (RFC 7692, 7.2.2) */
    unsigned bits;
    int held;
};

/* A canonical Huffman code: how many codes there are of each length, and the symbols in code order. */
struct code {
    unsigned short count[LONGEST_CODE + 1], symbol[288];
};

static int next_byte(struct input *in) {
    static const unsigned char tail[] = {0, 0, 0xff, 0xff};
    if (in->at < in->end) return *in->at++;
    return in->tail < 4 ? tail[in->tail++] : -1;
}

static int take(struct input *in, int count) {
    while (in->held < count) {
        int byte = next_byte(in);
        if (byte < 0) return -1;
        in->bits |= (unsigned)byte << in->held;
        in->held += 8;
    }
    int value = in->bits & ((1u << count) - 1);
    in->bits >>= count;
    in->held -= count;
    return value;
}

static void make_code(struct code *code, const unsigned char *lengths, int count) {
    unsigned short offset[LONGEST_CODE + 2] = {0};
    memset(code->count, 0, sizeof code->count);
    for (int i = 0; i < count; i++) code->count[lengths[i]]++;
    code->count[0] = 0;
    for (int length = 1; length <= LONGEST_CODE; length++)
        offset[length + 1] = offset[length] + code->count[length];
    for (int i = 0; i < count; i++)
        if (lengths[i]) code->symbol[offset[lengths[i]]++] = i;
}

static int decode(struct input *in, const struct code *code) {
    int value = 0, first = 0, index = 0;
    for (int length = 1; length <= LONGEST_CODE; length++) {
        int bit = take(in, 1);
        if (bit < 0) return -1;
        value |= bit;
        if (value - first < code->count[length]) return code->symbol[index + value - first];
        index += code->count[length];
        first = (first + code->count[length]) << 1;
        value <<= 1;
    }
    return -1;
}

static long stored_block(struct input *in, unsigned char *out, size_t made, size_t room) {
    take(in, in->held & 7); /* to the next whole byte */
    int length = take(in, 16), inverse = take(in, 16);
    if (length < 0 || inverse < 0 || length != (~inverse & 0xffff) || made + length > room) return -1;
    while (length--) {
        int byte = take(in, 8);
        if (byte < 0) return -1;
        out[made++] = byte;
    }
    return made;
}

static int fixed_codes(struct code *literals, struct code *distances) {
    unsigned char lengths[288];
    for (int i = 0; i < 288; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    make_code(literals, lengths, 288);
    memset(lengths, 5, 30);
    make_code(distances, lengths, 30);
    return 0;
}

static int dynamic_codes(struct input *in, struct code *literals, struct code *distances) {
    static const unsigned char order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    int literal_count = take(in, 5) + 257, distance_count = take(in, 5) + 1, order_count = take(in, 4) + 4;
    unsigned char lengths[320] = {0};
    if (literal_count > 286 || distance_count > 30 || order_count < 4) return -1;
    for (int i = 0; i < order_count; i++) lengths[order[i]] = take(in, 3);
    make_code(literals, lengths, 19);
    for (int i = 0; i < literal_count + distance_count;) {
        int symbol = decode(in, literals), times = 1, value = symbol;
        if (symbol < 0) return -1;
        if (symbol >= 16) {
            value = symbol == 16 && i ? lengths[i - 1] : 0;
            times = symbol == 16 ? 3 + take(in, 2) : symbol == 17 ? 3 + take(in, 3) : 11 + take(in, 7);
        }
        if (i + times > literal_count + distance_count) return -1;
        while (times--) lengths[i++] = value;
    }
    make_code(literals, lengths, literal_count);
    make_code(distances, lengths + literal_count, distance_count);
    return 0;
}

static long coded_block(struct input *in, const struct code *literals, const struct code *distances,
                        unsigned char *out, size_t made, size_t history, size_t room) {
    static const unsigned short length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                                 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned char length_bits[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const unsigned short distance_base[] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,
                                                   33,  49,  65,  97,  129, 193,  257,  385,  513,  769,
                                                   1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    for (;;) {
        int symbol = decode(in, literals);
        if (symbol < 0 || symbol > 285) return -1;
        if (symbol == 256) return made;
        if (symbol < 256) {
            if (made >= room) return -1;
            out[made++] = symbol;
            continue;
        }
        int extra = take(in, length_bits[symbol - 257]), far = decode(in, distances);
        if (extra < 0 || far < 0 || far > 29) return -1;
        size_t length = length_base[symbol - 257] + extra;
        size_t distance = distance_base[far] + take(in, far < 4 ? 0 : far / 2 - 1);
        if (distance > made + history || made + length > room) return -1;
        for (; length; length--, made++) out[made] = out[made - distance];
    }
}

long inflate_message(const unsigned char *packed, size_t length, unsigned char *out, size_t history, size_t room) {
    struct input in = {packed, packed + length, 0, 0, 0};
    struct code literals, distances;
    long made = 0;
    int last = 0;
    while (!last && in.tail < 4) {
        last = take(&in, 1);
        int kind = take(&in, 2);
        if (kind < 0 || kind == 3) return -1;
        if (kind == 0) {
            made = stored_block(&in, out, made, room);
        } else {
            if (kind == 1 ? fixed_codes(&literals, &distances) : dynamic_codes(&in, &literals, &distances)) return -1;
            made = coded_block(&in, &literals, &distances, out, made, history, room);
        }
        if (made < 0) return -1;
    }
    return made;
}
