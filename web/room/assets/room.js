// What pages do beyond HTML. They work without it.
document.querySelector('.places [aria-current]')?.scrollIntoView({block: 'nearest', inline: 'center'});

// An act that is opened asks its first question.
for (const act of document.querySelectorAll('details.act')) {
  act.addEventListener('toggle', () => act.open && act.querySelector('input, select, textarea, button')?.focus());
}
