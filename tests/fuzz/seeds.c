/* Writes small valid inputs for each fuzz target: seeds FOLDER puts them into FOLDER/TARGET. */
#include "unit/archives.h"
#include "unit/protobufs.h"

#include "file/lock_holder.h"
#include "train/recipe.h"

#include "picture/image.h"

static char folder[300];
static int next;

/* Names a new file of the target's corpus. */
static const char *seed_path(const char *target) {
  static char path[600];
  char dir[400];
  snprintf(dir, sizeof dir, "%s/%s", folder, target);
  mkdir(dir, 0777);
  snprintf(path, sizeof path, "%s/seed%03d", dir, next++);
  return path;
}

static void add(const char *target, const void *bytes, size_t count) {
  scratch_write(seed_path(target), bytes, count);
}

static void add_text(const char *target, const char *text) {
  add(target, text, strlen(text));
}

/* Writes `before`, the file's bytes, and `zeros` zeros. */
static void add_between(const char *target, const char *before, size_t before_count, const char *path,
                        size_t zeros) {
  size_t count;
  char *bytes = scratch_read(path, &count), *all = calloc(1, before_count + count + zeros + 1);
  if (before_count > 0) memcpy(all, before, before_count);
  memcpy(all + before_count, bytes, count);
  add(target, all, before_count + count + zeros);
  free(bytes);
  free(all);
}

static void join_file(maker *m, const char *path) {
  size_t count;
  char *bytes = scratch_read(path, &count);
  put_bytes(m, bytes, count);
  free(bytes);
}

/* ---- HDF5 files of other makers ---- */

/* Adds flags, how many things there are beyond two, and the choices that make each of them (foreign.c). */
static void make_foreign(void) {
  uint8_t foreign[300] = {0};
  for (int flags = 0; flags < 32; flags++) {
    foreign[0] = (uint8_t)flags;
    add("foreign", foreign, 1);
    for (int i = 1; i < 40; i++) foreign[i] = (uint8_t)(i * flags % 9 == 0 ? 0 : i * flags % 20);
    add("foreign", foreign, sizeof foreign);
  }
  add_text("foreign", "`# a list\n\nforeign.h5\n  foreign.h5:train  \r\n");
}

/* ---- models ---- */

/* The first byte says what a checkpoint is made of (model.c), then comes its recipe. */
static void make_models(void) {
  static const char *const recipes[] = {
      "!network: {name: n, input: [2, 2, 2], layers: [max_pool: {kernel: 2}, softmax_loss]}\n"
      "microbatch: 3\nCUT\n",
      "#network: {name: n, input: [1, 1, 2], layers: [softmax_loss]}\nmicrobatch: 1\nconvolution: gemm\n"
      "data: {augment: [mirror], evaluation: [{centre_crop: {size: 1}}]}\nCUT\n"};
  for (int flags = 0; flags < 4; flags++) {
    const uint8_t model[200] = {(uint8_t)flags};
    add("model", model, 1);
    add("model", model, sizeof model);
  }
  for (int64_t i = 0; i < CVY_COUNT(recipes); i++) add_text("model", recipes[i]);
}

/* ---- pictures ---- */

static file_bytes picture(bool jpeg, int64_t h, int64_t w) {
  static const uint8_t rgb[3] = {220, 20, 30};
  return make_picture(jpeg, h, w, rgb);
}

/* Adds a JPEG that has, behind the start of image, an APP1 segment that says orientation 6. */
static void add_turned(const file_bytes *jpeg) {
  static const uint8_t exif[] = {0xff, 0xe1, 0, 34,   'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
                                 0,    1,    1, 0x12, 0,   3,   0,   0,   0, 1, 0,   6,   0, 0,  0, 0, 0, 0};
  static maker m;
  m.count = 0;
  put_bytes(&m, jpeg->bytes, 2);
  put_bytes(&m, exif, sizeof exif);
  put_bytes(&m, jpeg->bytes + 2, jpeg->count - 2);
  put_bytes(&m, "\0\0\0\0\0\0\0\0", 8);
  add("image", m.bytes, m.count);
}

static void add_image(file_bytes file) {
  static const uint8_t choices[2][8] = {{0}, {1, 5, 3, 4, 7, 2}};
  static maker m;
  for (int i = 0; i < 2 && file.count > 0; i++) {
    m.count = 0;
    put_bytes(&m, file.bytes, file.count);
    put_bytes(&m, choices[i], sizeof choices[i]);
    add("image", m.bytes, m.count);
  }
  free(file.bytes);
}

/* Adds a file that lacks its end marker, one that lacks more, and asks for them to be mended. */
static void add_early(const file_bytes *file) {
  static const uint8_t choices[8] = {[7] = CVY_TOLERATE_TRUNCATED};
  static maker m;
  const size_t counts[] = {file->count - 2, file->count - 12, file->count * 4 / 5};
  for (int i = 0; i < 3; i++) {
    m.count = 0;
    put_bytes(&m, file->bytes, counts[i]);
    put_bytes(&m, choices, sizeof choices);
    add("image", m.bytes, m.count);
  }
}

static void make_images(void) {
  static const uint8_t types[] = {SPNG_COLOR_TYPE_GRAYSCALE, SPNG_COLOR_TYPE_TRUECOLOR,
                                  SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA};
  static const int channels[] = {1, 3, 2, 4};
  cvy_image image = {0};
  uint8_t samples[7 * 5 * 8];
  for (size_t i = 0; i < sizeof samples; i++) samples[i] = (uint8_t)(i * 37);
  for (int k = 0; k < 4; k++)
    for (int depth = 8; depth <= 16; depth += 8)
      add_image(make_png(samples, (size_t)(35 * channels[k] * depth / 8), 7, 5, types[k], depth, NULL));
  for (int64_t c = 1; c <= 4; c++) {
    if (c == 2) continue;
    paint(&image, 33, 41, c);
    add_image(make_jpeg(&image, 60, true));
  }
  void *bytes;
  size_t count;
  paint(&image, 20, 50, 3);
  if (cvy_image_encode(&bytes, &count, &image, 80)) exit(1);
  const file_bytes own = {bytes, count};
  add_turned(&own);
  add_early(&own);
  add_image(own);
  cvy_image_free(&image);
}

/* ---- datasets ---- */

static void make_digits(void) {
  static maker images, labels;
  make_cdb(&images, 12, 0);
  add("hoda", images.bytes, images.count);
  make_cdb(&images, 12, 7);
  add("hoda", images.bytes, images.count);
  make_idx_images(&images, 5, 4, 3);
  make_idx_labels(&labels, 5);
  put_bytes(&images, "CUT\n", 4);
  put_bytes(&images, labels.bytes, labels.count);
  add("mnist", images.bytes, images.count);
}

/* Adds one picture as the Python version has it. */
static void make_pickled_cifar(const char *target, const char *labels) {
  static maker m;
  static const uint8_t zeros[3072];
  static const char before[] = "]K\3asU\4datacnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\1"
                               "btR(K\1K\1M\0\x0c\x86"
                               "cnumpy\ndtype\n(U\2u1K\0K\1tR(K\3U\1|NNNK\0K\0K\0tb\x89T"
                               "\0\x0c\0\0";
  m.count = 0;
  put_bytes(&m, "\x80\2}U", 4);
  put(&m, (int)strlen(labels));
  put_bytes(&m, labels, strlen(labels));
  put_bytes(&m, before, sizeof before - 1);
  put_bytes(&m, zeros, sizeof zeros);
  put_bytes(&m, "tbs.", 4);
  add(target, m.bytes, m.count);
}

static void make_cifar(void) {
  make_pickled_cifar("cifar10", "labels");
  make_pickled_cifar("cifar100", "fine_labels");
  static uint8_t records[2 * (2 + 3072)];
  for (size_t i = 0; i < sizeof records; i++) records[i] = (uint8_t)(i % 10);
  records[0] = 1, records[3073] = 3;
  add("cifar10", records, 2 * 3073);
  records[0] = 4, records[1] = 0, records[3074] = 1, records[3075] = 1;
  add("cifar100", records, 2 * 3074);
  const packed ten[] = {{"cifar-10-batches-bin/test_batch.bin", records, 3073, NULL},
                        {"cifar-10-batches-bin/batches.meta.txt", "airplane\n", 9, NULL}};
  write_archive(seed_path("cifar10"), "ustar", NULL, ten, 2);
  const packed hundred[] = {{"cifar-100-binary/test.bin", records, 3074, NULL},
                            {"cifar-100-binary/fine_label_names.txt", "apple\n", 6, NULL}};
  write_archive(seed_path("cifar100"), "ustar", NULL, hundred, 2);
}

/* These are two rows in UTF-16, the lower byte first. */
#define WIDE "a\0.\0j\0p\0g\0,\0x\0\n\0b\0.\0p\0n\0g\0,\0y\0\n\0"

static void make_encodings(void) {
  for (char choice = 0; choice < 10; choice++) {
    char text[80];
    add("encoding", text,
        (size_t)snprintf(text, sizeof text,
                         "%cpath;label\r\na.jpg;k\xe4"
                         "fer\r\n",
                         choice));
    add("encoding", text,
        (size_t)snprintf(text, sizeof text,
                         "%ca.jpg;k\xc3\xa4"
                         "fer\r\n",
                         choice));
  }
  add("encoding", "\0\xff\xfe" WIDE, sizeof WIDE + 2);
  add("encoding", "\4" WIDE, sizeof WIDE);
  add_text("encoding", "a{\"a\": {\"label\": \"\\u00e9\\ud83d\\ude00\\n\"}, \"b\": [1, null], \"label\": 3}");
}

/* Adds pickles with instructions of every protocol. */
static void make_pickles(void) {
  static const char array[] = "\x80\2}q\1U\4datacnumpy.core.multiarray\n_reconstruct\nq\2cnumpy\nndarray\nq\3"
                              "K\0\x85U\1b\x87R(K\1K\2K\3\x86"
                              "cnumpy\ndtype\nU\2u1K\0K\1\x87R(K\3U\1|NNN"
                              "J\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89U\6abcdeftbs.";
  static const char modern[] = "\x80\5\x95\x40\0\0\0\0\0\0\0}\x94(\x8c\1a\x94]\x94(K\1M\0\1J\0\0\1\0"
                               "\x8a\2\0\xffG?\xf8\0\0\0\0\0\0\x88Ne\x8c\1b\x94"
                               "C\2xy\x94\x8c\1"
                               "ch\2"
                               "\x8c\5numpy\x8c\5"
                               "dtype\x93)\x81}\x92u.";
  add_text("pickle", "(dp0\nS'a\\x41'\np1\n(lp2\nI1\naL2L\naF1.5\nasVb\\u0633\np3\ng2\ns.");
  add_text("pickle", "c_codecs\nencode\n(X\3\0\0\0a\xc3\xbfX\6\0\0\0latin1tR.");
  add("pickle", array, sizeof array - 1);
  add("pickle", modern, sizeof modern - 1);
}

static void make_webdataset(void) {
  const file_bytes jpeg = picture(true, 9, 14), png = picture(false, 6, 5);
  const packed members[] = {{"a/0.jpg", jpeg.bytes, jpeg.count, NULL}, {"a/0.cls", "3\n", 2, NULL},
                            {"1.png", png.bytes, png.count, NULL},     {"1.json", "{\"label\": 4}", 12, NULL},
                            {"1.seg.png", png.bytes, png.count, NULL}, {"README", "x", 1, NULL}};
  write_archive(seed_path("webdataset"), "ustar", NULL, members, 6);
  write_archive(seed_path("webdataset"), "pax", "gzip", members, 6);
  free(jpeg.bytes);
  free(png.bytes);
}

static void make_pixels(void) {
  add_text("pixels", "label,a,b,c,d\n1,0,255,10.0,0\n2,0,3,4,0\n");
  add_text("pixels", "1 0 3 4 0\r\n2 0 5 6 0\r\n");
  add_text("pixels", "0;3;4;0;\"x\"\n0;5;6;0;y\n");
}

static void make_lists(void) {
  add_text("csv", "path,label\na.jpg,cat\nb.png,dog\n");
  add_text("csv", "\xef\xbb\xbflabel;\"file\"\r\n\"1\";\"a.jpg\"\r\n2;b.png\r\n");
  add_text("csv", "a.jpg\t3\n\nb.png\t-4\n");
  add_text("csv", "a.jpg 3\nb.png 10.0\n");
  add_text("csv", "7\t1.000000\ta.jpg\n3\t2.000000\tb.png\n");
  add_text("csv", "id,cat,dog\na,1,0\nb,0,1\n");
  add_text("csv", ",image,breed\r0,\\a.jpg,x\r1,/b.png,y\r");
  add_text("csv", "label,pixel0\n3 1:0.5 7:1\n");
  add("csv", "\xff\xfe" WIDE, sizeof WIDE + 1);
}

static void make_tars(void) {
  static const struct {
    const char *format, *filter;
  } kinds[] = {{"ustar", NULL},   {"gnutar", NULL}, {"pax", NULL},      {"zip", NULL},
               {"ustar", "gzip"}, {"gnutar", "xz"}, {"v7tar", "bzip2"}, {"ustar", "zstd"}};
  const file_bytes jpeg = picture(true, 9, 14), png = picture(false, 6, 5);
  char name[200];
  snprintf(name, sizeof name, "pets/cat/%0150d.jpg", 7);
  const packed pets[] = {{"pets/", NULL, 0, NULL},
                         {"pets/dog/2.png", png.bytes, png.count, NULL},
                         {name, jpeg.bytes, jpeg.count, NULL}};
  const packed flat[] = {{"cat.1.png", png.bytes, png.count, NULL},
                         {"dog.1.png", png.bytes, png.count, NULL}};
  for (int k = 0; k < 8; k++) {
    if (k < 3 || k > 3) snprintf(name, sizeof name, "pets/cat/%0*d.jpg", k == 1 || k == 2 ? 150 : 60, 7);
    write_archive(seed_path("tar"), kinds[k].format, kinds[k].filter, pets, 3);
    write_archive(seed_path("tar"), kinds[k].format, kinds[k].filter, flat, 2);
  }
  free(jpeg.bytes);
  free(png.bytes);
}

static void make_datums(void) {
  static maker m;
  const float numbers[4] = {0, 255, 17, 3};
  for (int k = 0; k < 4; k++) {
    if (k < 3) make_datum(&m, 3 - 5 * k, 2, 3, k == 2 ? 3 : 1, 7);
    if (k == 3) make_encoded_datum(&m, 3, 4, 5);
    add("datum", m.bytes, m.count);
    add("protobuf", m.bytes, m.count);
  }
  m.count = 0;
  for (uint32_t i = 1; i <= 3; i++) put_integer(&m, i, i == 1 ? 1 : 2);
  put_field(&m, 6, numbers, sizeof numbers);
  add("datum", m.bytes, m.count);
}

/* Makes a list in which two tables come and one goes. */
static void make_leveldb_tables(void) {
  static const uint8_t edit[] = {1, 1,   'c', 2, 3, 3,  9, 4,   5, 7,   0, 5, 40, 1, 'a',
                                 1, 'b', 7,   1, 6, 50, 1, 'c', 1, 'd', 6, 0, 5,  9, 0};
  static maker m;
  const uint8_t head[7] = {0, 0, 0, 0, sizeof edit, 0, 1};
  m.count = 0;
  put_bytes(&m, head, sizeof head);
  put_bytes(&m, edit, sizeof edit);
  add("leveldb_tables", m.bytes, m.count);
}

static void make_records(void) {
  static maker all, value;
  const file_bytes png = picture(false, 6, 5);
  all.count = 0;
  for (int i = 0; i < 2; i++) {
    make_rec_value(&value, (uint32_t)i, (float)i, (const float[]){3}, png.bytes, png.count);
    put_part(&all, 0, value.bytes, value.count);
  }
  add("recordio", all.bytes, all.count);
  put_part(&all, 1, value.bytes, 32);
  put_part(&all, 2, "", 0);
  put_part(&all, 3, value.bytes + 32, value.count - 32);
  add("recordio", all.bytes, all.count);
  free(png.bytes);
}

static void make_examples(void) {
  static maker all, features, value;
  static const char *const keys[2][2] = {{"image/encoded", "image/class/label"}, {"image", "label"}};
  const file_bytes png = picture(false, 6, 5);
  for (int k = 0; k < 3; k++) {
    all.count = 0;
    for (int i = 0; i < 2; i++) {
      features.count = 0;
      if (k < 2) put_feature(&features, keys[k][0], 1, png.bytes, png.count);
      if (k == 2) put_feature(&features, "image_raw", 1, "abcdef", 6);
      if (k == 2) put_number_feature(&features, "height", 2);
      if (k == 2) put_number_feature(&features, "width", 3);
      put_number_feature(&features, keys[k % 2][1], 9 + i);
      if (k == 0) put_text_feature(&features, "image/class/text", i ? "goldfish, Carassius" : "tench");
      if (k == 0) put_text_feature(&features, "image/class/synset", i ? "n01443537" : "n01440764");
      if (k == 0) put_text_feature(&features, "image/filename", "a.JPEG");
      make_example(&value, &features);
      put_record(&all, &value);
    }
    add("tfrecord", all.bytes, all.count);
    add("protobuf", value.bytes, value.count);
  }
  free(png.bytes);
}

static void make_tiny(void) {
  static const char words[] = "n01443537\tgoldfish\nn01629819\tsalamander\n";
  static const char ids[] = "n01443537\nn01629819\n";
  const file_bytes png = picture(false, 6, 5);
  const packed members[] = {
      {"tiny-imagenet-200/wnids.txt", ids, strlen(ids), NULL},
      {"tiny-imagenet-200/words.txt", words, strlen(words), NULL},
      {"tiny-imagenet-200/train/n01443537/images/n01443537_0.JPEG", png.bytes, png.count, NULL},
      {"tiny-imagenet-200/train/n01629819/images/n01629819_0.JPEG", png.bytes, png.count, NULL}};
  write_archive(seed_path("tiny_imagenet"), "ustar", NULL, members, 4);
  write_archive(seed_path("tiny_imagenet"), "zip", NULL, members, 4);
  free(png.bytes);
}

/* ---- ImageNet ---- */

static void put_element(maker *m, uint32_t type, const void *bytes, size_t count) {
  put_u32(m, type, false);
  put_u32(m, (uint32_t)count, false);
  put_bytes(m, bytes, count);
  while (m->count % 8) put(m, 0);
}

static void put_matrix(maker *m, const char *name, int class, uint32_t type, const void *bytes, size_t count,
                       int32_t columns) {
  static maker inner;
  const int32_t dims[2] = {1, columns};
  const uint8_t flags[8] = {(uint8_t) class};
  inner.count = 0;
  put_element(&inner, 6, flags, sizeof flags);
  put_element(&inner, 5, dims, sizeof dims);
  put_element(&inner, 1, name, strlen(name));
  put_element(&inner, type, bytes, count);
  put_element(m, 14, inner.bytes, inner.count);
}

/* Makes the elements of a meta.mat with two classes. */
static void make_meta(maker *m) {
  static const char names[4][16] = {"ILSVRC2012_ID", "WNID", "words", "num_children"};
  static const char *const ids[2] = {"n01443537", "n01629819"};
  static maker fields;
  const uint8_t flags[8] = {2};
  const int32_t dims[2] = {2, 1}, width = 16;
  fields.count = 0;
  put_element(&fields, 6, flags, sizeof flags);
  put_element(&fields, 5, dims, sizeof dims);
  put_element(&fields, 1, "synsets", 7);
  put_element(&fields, 5, &width, 4);
  put_element(&fields, 1, names, sizeof names);
  for (int i = 0; i < 2; i++) {
    const double number = i + 1, none = 0;
    put_matrix(&fields, "", 6, 9, &number, 8, 1);
    put_matrix(&fields, "", 4, 16, ids[i], 9, 9);
    put_matrix(&fields, "", 4, 16, "a fish", 6, 6);
    put_matrix(&fields, "", 6, 9, &none, 8, 1);
  }
  put_element(m, 14, fields.bytes, fields.count);
}

static void make_imagenet(void) {
  static maker meta, all;
  static const char *const answers[] = {
      "ILSVRC2012_val_00000001.JPEG n01443537\nILSVRC2012_val_00000002.JPEG n01629819\n",
      ("ImageId,PredictionString\nILSVRC2012_val_00000001,n01443537 8 1 4 2\n"
       "ILSVRC2012_val_00000002,n01629819\n"),
      "2\n1\n", "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 0\n"};
  const file_bytes png = picture(false, 3, 4);
  const packed val[] = {{"ILSVRC2012_val_00000001.JPEG", png.bytes, png.count, NULL},
                        {"ILSVRC2012_val_00000002.JPEG", png.bytes, png.count, NULL}};
  for (int i = 0; i < 2; i++) {
    meta.count = 0;
    put(&meta, i);
    make_meta(&meta);
    add("matlab", meta.bytes, meta.count);
  }
  const char *path = fresh("val.tar");
  write_archive(path, "ustar", NULL, val, 2);
  for (int i = 0; i < 4; i++) {
    all.count = 0;
    join_file(&all, path);
    put_bytes(&all, "CUT\n", 4);
    put_bytes(&all, answers[i], strlen(answers[i]));
    if (i == 3) put_bytes(&all, "CUT\nn01443537 goldfish\nn01629819 salamander\n", 45);
    if (i == 2) {
      uint8_t head[128] = "MATLAB 5.0";
      memcpy(head + 124, "\0\1IM", 4);
      put_bytes(&all, "CUT\n", 4);
      put_bytes(&all, head, sizeof head);
      put_bytes(&all, meta.bytes + 1, meta.count - 1);
    }
    add("imagenet", all.bytes, all.count);
  }
  uint8_t *mat = calloc(1, 128 + meta.count);
  memcpy(mat + 124, "\0\1IM", 4);
  memcpy(mat + 128, meta.bytes + 1, meta.count - 1);
  const packed kit[] = {{"kit/data/meta.mat", mat, 127 + meta.count, NULL},
                        {"kit/data/ILSVRC2012_validation_ground_truth.txt", "2\n1\n", 4, NULL}};
  const char *kit_path = fresh("devkit.tar");
  write_archive(kit_path, "ustar", NULL, kit, 2);
  free(mat);
  all.count = 0;
  join_file(&all, path);
  put_bytes(&all, "CUT\n", 4);
  join_file(&all, kit_path);
  add("imagenet", all.bytes, all.count);
  size_t count;
  char *inner = scratch_read(path, &count);
  const packed train[] = {{"n01443537.tar", inner, count, NULL}, {"n01629819.tar", inner, count, NULL}};
  write_archive(seed_path("imagenet"), "ustar", NULL, train, 2);
  free(inner);
  free(png.bytes);
}

static void make_lock(void) {
  cvy_holder holder;
  char text[CVY_HOLDER_BYTES];
  cvy_holder_here(&holder, "convoy train");
  add("lock", text, cvy_holder_print(text, &holder));
}

/* ---- YAML ---- */

static void add_folder(const char *target, const char *const *paths) {
  for (; *paths; paths++) add_between(target, NULL, 0, *paths, 0);
}

/* Adds a recipe with every option and the network written out. */
static void add_recipe(const char *path) {
  cvy_recipe *recipe;
  if (cvy_recipe_load(&recipe, path, NULL, 0)) {
    fprintf(stderr, "%s\n", cvy_err_message());
    exit(1);
  }
  add_text("recipe", recipe->text);
  cvy_recipe_destroy(recipe);
}

static void make_yaml(void) {
  static const char *const networks[] = {"launch/networks/lenet5.yaml", "launch/networks/resnet18.yaml",
                                         "launch/networks/googlenet.yaml",
                                         "launch/networks/alexnet-grouped.yaml", NULL};
  static const char *const recipes[] = {"launch/recipes/lenet5-digits.yaml",
                                        "launch/recipes/lenet-mnist.yaml", "launch/recipes/lenet5-hoda.yaml",
                                        NULL};
  static const char small[] =
      "name: n\nparameters: {k: 3, deep: true}\ninput: [8, 8, 3]\nblocks:\n  b:\n    "
      "parameters: {f: 4, k: 3}\n    layers:\n      - conv: {filters: $f, kernel: $k, padding: same, name: "
      "c}\n      - batch_norm\n      - add: {inputs: [c, input], when: false}\nlayers:\n  - b: "
      "{f: 2, repeat: 2}\n  - max_pool: {kernel: 2}\n  - fc: {outputs: 3, when: $deep}\n  - "
      "softmax_loss\n";
  add_folder("network", networks);
  add_folder("yaml", recipes);
  for (int i = 0; recipes[i]; i++) add_recipe(recipes[i]);
  add_text("network", small);
  add_text(
      "yaml",
      "a: [1, \"two\\n\", {b: ~}]\n'c d': |\n  text\n  more\ne: >-\n  folded\n\n  text\nCUT\na.b.c=[1, 2]");
  add_text("recipe",
           "network:\n  name: n\n  input: [8, 8, 1]\n  layers:\n    - fc: {outputs: 2}\n    - softmax_loss\n"
           "data: {train: x, augment: [{crop: {size: 8}}, mirror]}\nbatch: 8\nmicrobatch: 2\nepochs: 3\n"
           "learning_rate: {step: {rate: 0.1, every: 2}}\nsolver: {sgd: {momentum: 0.9}}\nseed: 3\nrun: r\n");
}

static void make_names(void) {
  static const char *const names[] = {
      "\x20K\xe4se/\xfc"
      "1.jpg",
      "\x08\xe7\x8c\xab \xf0\x9f\x90\x88",
      "\x10"
      "C:\\data\\\\xE4\\xe4\n\x1b[31m",
      "\x14layer  type  output  note\nc1     conv     120  gemm  <- a, b\nf6     fc        84\n"};
  for (int64_t i = 0; i < CVY_COUNT(names); i++) add_text("names", names[i]);
}

static void make_augmentations(void) {
  char text[400], kind[64];
  static const char *const lists[] = {
      "- resize: {size: [20, 30]}\n- crop: {size: 16}\n- mirror\n",
      "- sometimes: {probability: 0.5, apply: [{rotate: {by: 20}}]}\n"
      "- one_of: {apply: [grey, {hue: {by: 0.1}}]}\n",
      "- pad: {by: 4, fill: reflect}\n- random_resized_crop: {size: 12}\n",
      "- elastic\n- cutout: {size: 4}\n- gaussian_noise: {deviation: 3}\n- lens\n- shear\n- stretch\n"
      "- zoom\n- translate: {by: 2}\n"};
  static const char *const names[] = {"brightness: {by: 0.3}",
                                      "centre_crop: {size: 8}",
                                      "colour_jitter",
                                      "colour_shift",
                                      "contrast: {by: 0.3}",
                                      "crop: {size: 8}",
                                      "cutout: {size: 5}",
                                      "elastic",
                                      "gaussian_noise: {deviation: 9}",
                                      "grey",
                                      "hue: {by: 0.2}",
                                      "lens",
                                      "mirror",
                                      "pad: {by: 2}",
                                      "pca_colour",
                                      "resize: {size: 9}",
                                      "rotate",
                                      "saturation: {by: 0.4}",
                                      "scale_jitter: {from: 10, to: 20}",
                                      "shear",
                                      "stretch",
                                      "translate: {by: 3}",
                                      "zoom"};
  for (int i = 0; i < 4; i++) {
    snprintf(text, sizeof text, "zz`a%s", lists[i]);
    add_text("augment", text);
  }
  for (int64_t i = 0; i < CVY_COUNT(names); i++) {
    const bool plain = !strchr(names[i], ':');
    snprintf(kind, sizeof kind, plain ? "%s" : "{%s}", names[i]);
    snprintf(text, sizeof text, "aa``- %s\n", kind);
    add_text("augment", text);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  snprintf(folder, sizeof folder, "%s", argv[1]);
  mkdir(folder, 0777);
  fresh_folder();
  for (int flags = 0; flags < 8; flags++) {
    const uint8_t shard[400] = {(uint8_t)flags};
    add("shard", shard, 1);
    add("shard", shard, sizeof shard);
  }
  make_foreign();
  make_models();
  make_images();
  make_digits();
  make_cifar();
  make_lists();
  make_pixels();
  make_encodings();
  make_pickles();
  make_webdataset();
  make_tars();
  make_datums();
  make_leveldb_tables();
  make_records();
  make_examples();
  make_tiny();
  make_imagenet();
  make_names();
  make_lock();
  make_yaml();
  make_augmentations();
  return 0;
}
