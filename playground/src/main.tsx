import { StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { pageAt } from './pages';
import { showTheme } from './theme';
import './styles.css';

showTheme();

const root = document.getElementById('root');
const page = pageAt(location.pathname);
if (root && page) {
  document.title = `${page.title} · Portolan`;
  createRoot(root).render(
    <StrictMode>
      <Suspense fallback={<p className="loading">Loading…</p>}>
        <page.Content />
      </Suspense>
    </StrictMode>,
  );
}
