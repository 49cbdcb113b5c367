/* decode_limit FILE... measures what libjpeg-turbo alone does with JPEG files in memory, whole and at their
 * full size, and prints images/s as JSON. This is the limit of a loader that decodes every picture whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jpeglib.h> /* it needs stdio.h before it */

typedef struct file {
  unsigned char *bytes;
  unsigned long count;
} file;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int read_file(file *out, const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) return -1;
  fseek(in, 0, SEEK_END);
  const long count = ftell(in);
  rewind(in);
  out->bytes = malloc((size_t)count);
  out->count = (unsigned long)count;
  const size_t got = out->bytes ? fread(out->bytes, 1, (size_t)count, in) : 0;
  fclose(in);
  return got == (size_t)count ? 0 : -1;
}

static void decode(struct jpeg_decompress_struct *jpeg, const file *picture, unsigned char **row,
                   size_t *row_bytes) {
  jpeg_mem_src(jpeg, picture->bytes, picture->count);
  jpeg_read_header(jpeg, TRUE);
  if (jpeg->num_components != 4) jpeg->out_color_space = JCS_RGB;
  jpeg_start_decompress(jpeg);
  const size_t needed = (size_t)jpeg->output_width * (size_t)jpeg->output_components;
  if (needed > *row_bytes) *row = realloc(*row, *row_bytes = needed);
  while (*row && jpeg->output_scanline < jpeg->output_height) jpeg_read_scanlines(jpeg, row, 1);
  jpeg_finish_decompress(jpeg);
}

int main(int argc, char **argv) {
  if (argc < 2 || strcmp(argv[1], "--help") == 0) {
    puts(
        "usage: decode_limit FILE...\n\nImages/s of bare libjpeg-turbo on JPEG files, read before, "
        "on one thread. Prints JSON.");
    return argc < 2 ? 2 : 0;
  }
  const int count = argc - 1;
  file *files = calloc((size_t)count, sizeof *files);
  for (int i = 0; files && i < count; i++)
    if (read_file(&files[i], argv[1 + i])) {
      fprintf(stderr, "decode_limit: cannot read %s\n", argv[1 + i]);
      return 2;
    }
  struct jpeg_error_mgr errors;
  struct jpeg_decompress_struct jpeg = {.err = jpeg_std_error(&errors)};
  jpeg_create_decompress(&jpeg);
  unsigned char *row = NULL;
  size_t row_bytes = 0;
  decode(&jpeg, &files[0], &row, &row_bytes);
  int decoded = 0;
  const double start_s = now_s();
  do {
    for (int i = 0; i < count; i++) decode(&jpeg, &files[i], &row, &row_bytes);
    decoded += count;
  } while (now_s() - start_s < 1);
  printf("{\"img_s\": %.1f}\n", decoded / (now_s() - start_s));
  jpeg_destroy_decompress(&jpeg);
  for (int i = 0; i < count; i++) free(files[i].bytes);
  free(files);
  free(row);
  return 0;
}
