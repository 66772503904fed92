/** The form of names. Apart from the schema: whoever only checks a name need not load the schema library (15 MiB). */

/** Names that go into topics, file names and cgroup paths: nothing in them needs escaping anywhere. */
export const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
export const SLUG_FORM = '1 to 32 of a-z, 0-9 and -, neither first nor last a -';
/** One or more levels of a topic, none of them empty, none with a wildcard. */
export const TOPIC_LEVELS = /^[a-z0-9_-]{1,32}(?:\/[a-z0-9_-]{1,32}){0,3}$/;
export const TOPIC_LEVELS_FORM = '1 to 4 levels of a-z, 0-9, _ and -, joined by /';
