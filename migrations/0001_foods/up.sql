-- What the service knows before anybody writes anything: words to choose from, clinical figures, foods.
-- Every row says where it comes from; `retired_at` takes a row out of use and keeps it for those who refer to it.

CREATE TABLE sex (
    id         text PRIMARY KEY,
    name       text NOT NULL,
    note       text,
    source     text NOT NULL,
    status     text NOT NULL,
    retired_at timestamptz
);

-- One word, mapped once to both scales: a factor on resting energy, and a band of the DRI 2023 equations.
CREATE TABLE activity_level (
    id              text PRIMARY KEY,
    name            text NOT NULL,
    position        integer NOT NULL,
    resting_factor  numeric NOT NULL,
    eer_band        text NOT NULL,
    eer_pal_min     numeric,
    eer_pal_max     numeric,
    source          text NOT NULL,
    status          text NOT NULL,
    retired_at      timestamptz
);

CREATE TABLE goal (
    id                text PRIMARY KEY,
    name              text NOT NULL,
    position          integer NOT NULL,
    energy_direction  text NOT NULL CHECK (energy_direction IN ('deficit', 'none', 'surplus')),
    source            text NOT NULL,
    status            text NOT NULL,
    retired_at        timestamptz
);

-- `min` and `max` are inclusive unless they are marked as exclusive (NULL is not); a bound that does not exist is
-- NULL.
CREATE TABLE clinical_limit (
    id             text PRIMARY KEY,
    metric         text NOT NULL,
    population     text NOT NULL,
    min            numeric,
    max            numeric,
    min_exclusive  boolean,
    max_exclusive  boolean,
    unit           text NOT NULL,
    note           text,
    source         text NOT NULL,
    edition        text NOT NULL,
    valid_from     date NOT NULL,
    status         text NOT NULL,
    retired_at     timestamptz
);

CREATE INDEX clinical_limit_metric ON clinical_limit (metric, population);

-- Amounts that are not a food's own: mass, volume, and the measures that a label norm defines.
CREATE TABLE unit (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    plural      text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('mass', 'volume')),
    -- In grams or millilitres, by kind. A volume has no mass without a density.
    factor      numeric NOT NULL,
    source      text NOT NULL,
    status      text NOT NULL,
    retired_at  timestamptz
);

-- Figures per 100 g of edible part. NULL alone means unknown; `marks` names the columns whose NULL means something
-- else, as `column:trace`, `column:not_applicable` or `column:under_review`, separated by spaces.
CREATE TABLE food (
    id              text PRIMARY KEY,
    taco_number     integer UNIQUE,
    name            text NOT NULL,
    synonyms        text,
    category        text NOT NULL,
    energy_kcal     numeric,
    protein_g       numeric,
    lipid_g         numeric,
    carbohydrate_g  numeric,
    fiber_g         numeric,
    cholesterol_mg  numeric,
    moisture_pct    numeric,
    ash_g           numeric,
    calcium_mg      numeric,
    magnesium_mg    numeric,
    manganese_mg    numeric,
    phosphorus_mg   numeric,
    iron_mg         numeric,
    sodium_mg       numeric,
    potassium_mg    numeric,
    copper_mg       numeric,
    zinc_mg         numeric,
    retinol_mcg     numeric,
    rae_mcg         numeric,
    thiamin_mg      numeric,
    riboflavin_mg   numeric,
    pyridoxine_mg   numeric,
    niacin_mg       numeric,
    vitamin_c_mg    numeric,
    marks           text NOT NULL DEFAULT '',
    source          text NOT NULL,
    status          text NOT NULL,
    retired_at      timestamptz
);
