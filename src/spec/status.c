/* SPDX-License-Identifier: MPL-2.0 */
/* The table of exit statuses as data. */

#include "spec/status.h"

#include "base/cleanup.h"

static const struct status_row rows[] = {
#define X(number, NAME, word, meaning) { number, word, meaning },
	STATUS_TABLE(X)
#undef X
};

const struct status_row *status_table(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(rows);
	return rows;
}
