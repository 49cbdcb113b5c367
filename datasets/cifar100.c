/* CIFAR-100: 60,000 pictures of 32x32 in 100 classes, or the 20 coarse ones that these make up, 50,000 of
 * them for training. cifar.h gives the layout; the two labels are the coarse and the fine one. */
#include "datasets/cifar.h"

typedef struct config {
  int labels;
} config;

static const char *const fine_names[] = {
    "apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
    "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
    "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
    "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
    "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
    "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
    "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
    "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
    "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
    "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
    "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
    "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
    "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
    "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
    "woman",      "worm"};

static const char *const coarse_names[] = {"aquatic_mammals",
                                           "fish",
                                           "flowers",
                                           "food_containers",
                                           "fruit_and_vegetables",
                                           "household_electrical_devices",
                                           "household_furniture",
                                           "insects",
                                           "large_carnivores",
                                           "large_man-made_outdoor_things",
                                           "large_natural_outdoor_scenes",
                                           "large_omnivores_and_herbivores",
                                           "medium_mammals",
                                           "non-insect_invertebrates",
                                           "people",
                                           "reptiles",
                                           "small_mammals",
                                           "trees",
                                           "vehicles_1",
                                           "vehicles_2"};

#define FILES(ending)                                                                                        \
  {                                                                                                          \
    (const char *const[]){"train" ending, NULL}, (const char *const[]) {                                     \
      "test" ending, NULL                                                                                    \
    }                                                                                                        \
  }

static const cvy_cifar sets[2] = {
    {.reader = "cifar100",
     .label_bytes = 2,
     .label = 1,
     .class_count = CVY_COUNT(fine_names),
     .class_names = fine_names,
     .files = FILES(".bin"),
     .pickles = FILES(""),
     .pickled_labels = "fine_labels"},
    {.reader = "cifar100",
     .label_bytes = 2,
     .label = 0,
     .class_count = CVY_COUNT(coarse_names),
     .class_names = coarse_names,
     .files = FILES(".bin"),
     .pickles = FILES(""),
     .pickled_labels = "coarse_labels"},
};

static cvy_err find_splits(cvy_prepare_input **out, int64_t *count, cvy_pool *pool, const char *path) {
  return cvy_cifar_find_splits(out, count, pool, path, &sets[0]);
}

static cvy_err open_cifar100(cvy_source *out, const void *config_, const char *const *inputs,
                             int64_t input_count, int64_t h, int64_t w, uint64_t seed) {
  const config *c = config_;
  (void)seed;
  return cvy_cifar_open(out, &sets[c->labels], inputs, input_count, h, w);
}

static bool fits(const cvy_glimpse *g) {
  return cvy_glimpse_has(g, "fine_label_names.txt") || cvy_glimpse_has(g, "cifar-100-python/train") ||
         cvy_glimpse_has(g, "cifar-100-binary/train.bin");
}

static const char *const label_words[] = {"fine", "coarse", NULL};
static const cvy_option options[] = {
    {"labels", CVY_CHOICE, offsetof(config, labels), "fine", .words = label_words,
     .help = "100 classes or 20"},
    {0},
};

const cvy_reader cvy_reader_cifar100 = {
    .kind = &(const cvy_kind){"cifar100", "CIFAR-100, binary or Python version: its .tar.gz, folder or files",
                              options, sizeof(config)},
    .find_splits = find_splits,
    .open = open_cifar100,
    .read = cvy_cifar_read,
    .close = cvy_cifar_close,
    .again = cvy_cifar_again,
    .fits = fits,
};
