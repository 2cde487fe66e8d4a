/* SPDX-License-Identifier: MPL-2.0 */
#include "guest/terminal.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

#define VEOF_DEFAULT 4 /* Ctrl-D */

bool terminal_type_end(struct terminal_end *e, int master)
{
	struct termios tio;
	char veof = VEOF_DEFAULT;
	bool is_twice = e->last && e->last != '\n' && e->last != '\r';

	if (tcgetattr(master, &tio) == 0) {
		veof = (char)tio.c_cc[VEOF];
		e->is_unseen = tio.c_lflag & ICANON;
	}
	for (; e->n < (is_twice ? 2 : 1); e->n++)
		if (write(master, &veof, 1) < 0 && errno == EAGAIN)
			return false;
	return true;
}

void terminal_repeat_end(struct terminal_end *e, int master)
{
	struct termios tio;
	char veof;

	if (!e->is_unseen || tcgetattr(master, &tio) < 0 || (tio.c_lflag & ICANON))
		return;
	veof = (char)tio.c_cc[VEOF];
	e->is_unseen = write(master, &veof, 1) != 1;
}
