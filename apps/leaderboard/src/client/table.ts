/// <reference lib="dom" />
/**
 * Makes the tables of the page sortable. The function's own text is put into the page, so it must stand alone: no imports, and
 * nothing outside its braces. Without scripts the page lacks nothing but this.
 */

/** Puts a button into each `th[data-sort]`, and sorts by the cells' `data-value` (number or text, missing last). */
export function makeSortable(page: Document): void {
  const valueOf = (row: HTMLTableRowElement, column: number): string => {
    const cell = row.cells[column];
    return cell?.dataset['value'] ?? cell?.textContent ?? '';
  };
  const compare = (a: string, b: string, isNumeric: boolean): number =>
    isNumeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });

  for (const table of page.querySelectorAll<HTMLTableElement>('table.sortable')) {
    const body = table.tBodies[0];
    const heads = [...table.querySelectorAll<HTMLTableCellElement>('thead th[data-sort]')];
    if (!body) continue;
    for (const head of heads) {
      const button = page.createElement('button');
      button.type = 'button';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const isNumeric = head.dataset['sort'] !== 'text';
        const first = head.dataset['sort'] === 'down' ? 'descending' : 'ascending';
        const held = head.getAttribute('aria-sort');
        const direction = held === null ? first : held === 'ascending' ? 'descending' : 'ascending';
        for (const other of heads) other.removeAttribute('aria-sort');
        head.setAttribute('aria-sort', direction);
        const column = head.cellIndex;
        const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column) }));
        rows.sort((a, b) => {
          if (a.value === '' || b.value === '') return Number(a.value === '') - Number(b.value === '');
          return compare(a.value, b.value, isNumeric) * (direction === 'ascending' ? 1 : -1);
        });
        body.append(...rows.map(({ row }) => row));
      });
    }
  }
}
