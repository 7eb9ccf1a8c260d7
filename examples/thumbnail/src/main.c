/* thumbnail: a PNG on standard input, a smaller PNG on standard output. */
#include "thumbnail.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __wasm__
/* The adapter that turns WASI 0.1 calls into a component's allocates its own state here. Without this it would
 * grow the memory itself, and the malloc of Debian's wasi-libc would take that for its own heap. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size)
{
    (void)old_size, (void)align; /* realloc aligns to 16 bytes; no interface asks for more */
    void *memory = realloc(old, size);
    if (memory == NULL)
        __builtin_trap();
    return memory;
}
#endif

static void write_all(int file, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t written = write(file, at, length);
        if (written <= 0)
            exit(1);
        at += written;
        length -= (size_t)written;
    }
}

void fail(const char *sentence)
{
    write_all(2, "thumbnail: ", 11);
    write_all(2, sentence, strlen(sentence));
    write_all(2, "\n", 1);
    exit(1);
}

void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (memory == NULL)
        fail("not enough memory for this picture");
    return memory;
}

void append(struct bytes *bytes, const void *data, size_t length)
{
    if (bytes->room - bytes->length < length) {
        bytes->room = 2 * bytes->room + length + 4096;
        bytes->data = realloc(bytes->data, bytes->room);
        if (bytes->data == NULL)
            fail("not enough memory for this picture");
    }
    if (length > 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static struct bytes read_input(void)
{
    struct bytes input = {0};
    static uint8_t piece[65536];
    for (;;) {
        ssize_t length = read(0, piece, sizeof piece);
        if (length < 0)
            fail("standard input cannot be read");
        if (length == 0)
            return input;
        if ((size_t)length > INPUT_MAX - input.length)
            fail("the picture is larger than 8 MiB");
        append(&input, piece, (size_t)length);
    }
}

static uint32_t pixels(const char *text)
{
    uint32_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && number <= THUMBNAIL_SIDE_MAX; at++)
        number = number * 10 + (uint32_t)(*at - '0');
    if (at == text || *at != 0 || number < 1 || number > THUMBNAIL_SIDE_MAX)
        fail("--width and --height take a number of pixels from 1 to 1024");
    return number;
}

int main(int count, char **arguments)
{
    uint32_t width = 0, height = 0;
    for (int i = 1; i < count; i += 2) {
        bool is_width = strcmp(arguments[i], "--width") == 0;
        if ((!is_width && strcmp(arguments[i], "--height") != 0) || i + 1 == count)
            fail("usage: thumbnail [--width PIXELS] [--height PIXELS] < picture.png > thumbnail.png");
        *(is_width ? &width : &height) = pixels(arguments[i + 1]);
    }
    if (width == 0 && height == 0)
        width = 64;

    struct bytes input = read_input(), output = {0};
    struct scale scale;
    png_read(input.data, input.length, width, height, &scale);
    png_write(&output, scale.pixels, scale.width, scale.height);
    write_all(1, output.data, output.length);
    return 0;
}
